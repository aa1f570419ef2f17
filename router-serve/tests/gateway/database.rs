//! A server of PostgreSQL for a test, where its programs are installed.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use router_serve::records::{Address, Records};
use tempfile::TempDir;

/// Whom the server runs as where the tests run as root, which it refuses.
const NOBODY: u32 = 65_534;

/// A server in a folder of its own, which listens there alone.
pub(crate) struct Database {
    directory: TempDir,
    programs: PathBuf,
    server: Option<Child>,
}

impl Database {
    /// Starts one; `None`, and a word about it, where the programs are not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("SKIPPED: PostgreSQL is not installed");
            return None;
        };
        let directory = TempDir::new().unwrap();
        if is_root(directory.path()) {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut database = Self { directory, programs, server: None };
        let made = database
            .command("initdb")
            .args(["--auth=trust", "--username=router", "--encoding=UTF8", "--no-locale", "--pgdata"])
            .arg(database.directory.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        database.go();
        Some(database)
    }

    /// The address of its database, without a password.
    pub(crate) fn url(&self) -> String {
        let folder = self.directory.path().display().to_string().replace('/', "%2F");
        format!("postgres://router@{folder}/postgres")
    }

    /// Starts the server, and waits until it answers.
    pub(crate) fn go(&mut self) {
        let folder = self.directory.path();
        let server = self
            .command("postgres")
            .args(["-c", "listen_addresses=", "-k"])
            .arg(folder)
            .arg("-D")
            .arg(folder.join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.server = Some(server);
        let address = Address::read(&self.url()).unwrap();
        apart(|| {
            while Records::open(&address).is_err() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }

    /// Kills the server.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // SIGQUIT: its children end too, without a word to clients; what was committed is there again afterwards.
            Command::new("kill").args(["-QUIT", &server.id().to_string()]).status().unwrap();
            server.wait().unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.directory.path());
        if std::fs::metadata(self.directory.path()).is_ok_and(|folder| owner(&folder) == NOBODY) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Does `work` on a thread without a runtime, since a connection to PostgreSQL has one of its own.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

fn owner(of: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(of)
}

fn is_root(own: &Path) -> bool {
    std::fs::metadata(own).is_ok_and(|folder| owner(&folder) == 0)
}

/// The folder of the server's programs: on the path, or where Debian puts them, the newest first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    // Links on the path would lose sight of what lies beside the program.
    let folder =
        folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())?;
    folder.join("initdb").canonicalize().ok()?.parent().map(Path::to_path_buf)
}
