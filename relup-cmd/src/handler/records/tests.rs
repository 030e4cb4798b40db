//! Records that are whole, cut, or being written when somebody was killed.

use fs_err as fs;

use super::*;
use crate::output::Told;
use crate::testing::scratch;

const WHOLE: &str = r#"[{release,"emqx","4.4.0","12.2",[],permanent}]."#;

fn root_with(releases: &str, start: &str) -> (tempfile::TempDir, Tree) {
    let dir = scratch();
    let root = Tree::new(dir.path().to_owned()).expect("absolute");
    fs::create_dir_all(root.release(&"4.4.0".parse().expect("a version"))).expect("made");
    fs::create_dir_all(root.bin()).expect("made");
    fs::write(root.releases_file(), releases).expect("written");
    fs::write(root.start_erl(), start).expect("written");
    (dir, root)
}

#[test]
fn whole_records_are_read_and_kept() {
    let (_dir, root) = root_with(WHOLE, "12.2 4.4.0");
    assert_eq!(settle(&root).expect("whole")[0].vsn, "4.4.0");
    let saved = fs::read_to_string(root.saved_releases_file()).expect("kept");
    assert_eq!(saved, WHOLE);
}

#[test]
fn a_cut_record_is_named_and_never_kept() {
    for (releases, start, path) in [
        ("", "12.2 4.4.0", "RELEASES"),
        (&WHOLE[..20], "12.2 4.4.0", "RELEASES"),
        (WHOLE, "", "start_erl.data"),
        (WHOLE, "12.2", "start_erl.data"),
    ] {
        let (_dir, root) = root_with(releases, start);
        let failure = settle(&root).expect_err("damaged");
        assert_eq!(failure.name(), "releases_damaged", "{failure}");
        assert!(failure.to_string().contains(path), "{failure}");
        assert!(!root.saved_releases_file().exists(), "{releases:?}");
    }
}

#[test]
fn what_a_killed_command_was_writing_is_removed() {
    let (_dir, root) = root_with(WHOLE, "12.2 4.4.0");
    let left = [
        root.saved_releases_file().with_extension("saved.new"),
        root.release(&"4.4.0".parse().expect("a version"))
            .join("sys.config.new"),
        root.nodetool().with_extension("new"),
    ];
    for path in &left {
        fs::write(path, "half").expect("written");
    }
    sweep(&root).expect("swept");
    assert!(left.iter().all(|path| !path.exists()));
    assert!(read(&root).is_ok());
}
