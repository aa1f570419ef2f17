//! A process that saves an artifact again and again is killed at random points.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::RngExt as _;
use router_core::{Router, Seed};

use crate::world::{files, read, registry, router};

/// Tells the process that this very test binary is started as what to do, and where.
const PLACE: &str = "ROUTER_TEST_SAVE_AGAIN_AND_AGAIN_AT";
const KILLS: usize = 100;

/// Not a test by itself: the process that is killed runs this, and nothing else does.
#[test]
fn the_process_that_is_killed() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let registry = registry();
    let routers = [router(&registry, 3), router(&registry, 4)];
    fs::write(place.with_file_name("begun"), "").unwrap();
    for at in 0.. {
        routers[at % 2].save(&place).unwrap();
    }
}

/// Starts a process that saves at `place` and waits until it begins to.
fn start(place: &Path) -> Child {
    let begun = place.with_file_name("begun");
    let _ = fs::remove_file(&begun);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::the_process_that_is_killed"])
        .env(PLACE, place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !begun.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the process ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn leftovers(parent: &Path) -> Vec<String> {
    let names = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "artifact" && name != "begun").collect()
}

#[test]
fn an_artifact_is_whole_whenever_its_writer_is_killed() {
    let registry = registry();
    let whole = [3, 4].map(|seed| files(&router(&registry, seed)));
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    let mut stream = Seed::root(11).stream("kill");
    let (mut found, mut amid, mut absent) = ([0, 0], 0, 0);
    // How long a process may live at most, in microseconds, where nothing was there and where something was. It grows with every
    // process that wrote nothing whole and shrinks with every one that did, so that kills hit writes however slow the disk is.
    let mut reach = [3_000.0f64, 20_000.0];
    let mut kills = 0;
    while kills < KILLS || (kills < 20 * KILLS && (found.contains(&0) || amid == 0)) {
        let kill = kills;
        kills += 1;
        // Every fourth time nothing is there yet: then there may be nothing still, but never a part.
        let fresh = kill % 4 == 0;
        if fresh && place.exists() {
            fs::remove_dir_all(&place).unwrap();
        }
        let was_there = place.exists();
        let before = was_there.then(|| read(&place));
        let mut child = start(&place);
        std::thread::sleep(Duration::from_micros((stream.random::<f64>() * reach[usize::from(was_there)]) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        amid += usize::from(!leftovers(directory.path()).is_empty());
        if !place.exists() {
            assert!(!was_there, "kill {kill}: the older artifact is gone");
            absent += 1;
            reach[0] *= 1.2;
            continue;
        }
        Router::load(&place, &registry).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let files = read(&place);
        reach[usize::from(was_there)] *= if before.as_ref() == Some(&files) { 1.2 } else { 0.9 };
        let which = whole.iter().position(|whole| *whole == files);
        found[which.unwrap_or_else(|| panic!("kill {kill}: neither the one nor the other"))] += 1;
    }
    println!("{kills} kills: {found:?} whole, {absent} before the first was there, {amid} amid a write");
    assert!(found[0] > 0 && found[1] > 0 && amid > 0, "the kills hit nothing: {found:?}, {amid}");
    // Whatever they left is removed by the next writer.
    router(&registry, 3).save(&place).unwrap();
    assert_eq!(leftovers(directory.path()), [""; 0]);
    assert!(read(&place) == whole[0]);
}
