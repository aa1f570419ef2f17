//! Manifests of older releases, brought up to this one's layout step by step.
//!
//! A release that changes what a manifest or `tasks.json` says raises [`FORMAT_VERSION`], adds one step here, and stores an
//! artifact of the release before as a test fixture. A component that changes what it stores raises its own
//! [`Persist::VERSION`](crate::Persist::VERSION) and reads the older one in `load`. See docs/decisions/0006.

use serde_json::Value;

use crate::artifact::directory::FORMAT_VERSION;

/// `STEPS[v - 1]` turns a manifest of version v into one of version v + 1.
const STEPS: [fn(&mut Value); FORMAT_VERSION as usize - 1] = [one_to_two];

/// Turns a manifest of `version`, which is not newer than this program's, into one of [`FORMAT_VERSION`].
pub(super) fn migrate(manifest: &mut Value, version: u32) {
    for step in STEPS.iter().skip((version as usize).saturating_sub(1)) {
        step(manifest);
    }
}

/// Version 2 added the manifest's digest, which a migrated manifest has no use for, and the optional slot `drift`.
fn one_to_two(manifest: &mut Value) {
    set_version(manifest, 2);
}

fn set_version(manifest: &mut Value, version: u32) {
    if let Some(object) = manifest.as_object_mut() {
        object.insert("format_version".into(), version.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_older_version_becomes_this_one() {
        for version in 1..=FORMAT_VERSION {
            let mut manifest = json!({ "format_version": version, "seed": 7 });
            migrate(&mut manifest, version);
            assert_eq!(manifest, json!({ "format_version": FORMAT_VERSION, "seed": 7 }));
        }
    }
}
