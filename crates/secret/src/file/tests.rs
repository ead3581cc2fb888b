use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A directory of one test, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("secret-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn one_newline_at_the_end_is_not_part_of_the_secret() {
    let dir = Dir::new("newline");
    for (written, meant) in [
        ("abc", "abc"),
        ("abc\n", "abc"),
        ("abc\r\n", "abc"),
        ("a\n\n", "a\n"),
    ] {
        let path = dir.write("key", written);
        let watched = Watched::open(path, Instant::now()).unwrap();
        assert_eq!(&*watched.current(Instant::now()), meant, "{written:?}");
    }
}

#[test]
fn a_changed_file_is_read_again_within_a_second() {
    let dir = Dir::new("changed");
    let path = dir.write("key", "old\n");
    let start = Instant::now();
    let watched = Watched::open(path, start).unwrap();

    dir.write("key", "new\n");

    assert_eq!(&*watched.current(start + LOOK_INTERVAL / 2), "old");
    assert_eq!(&*watched.current(start + LOOK_INTERVAL), "new");
}

/// As the kubelet does it: the key is a link through `..data`, and `..data` is exchanged.
#[test]
fn an_exchanged_link_is_followed() {
    let dir = Dir::new("link");
    dir.write("first/key", "old");
    dir.write("second/key", "new");
    symlink("first", dir.0.join("..data")).unwrap();
    symlink("..data/key", dir.0.join("key")).unwrap();
    let start = Instant::now();
    let watched = Watched::open(dir.0.join("key"), start).unwrap();
    assert_eq!(&*watched.current(start), "old");

    symlink("second", dir.0.join("..data_tmp")).unwrap();
    fs::rename(dir.0.join("..data_tmp"), dir.0.join("..data")).unwrap();

    assert_eq!(&*watched.current(start + LOOK_INTERVAL), "new");
}

#[test]
fn the_last_good_value_outlives_a_missing_and_an_empty_file() {
    let dir = Dir::new("vanished");
    let path = dir.write("key", "good");
    let start = Instant::now();
    let watched = Watched::open(path.clone(), start).unwrap();

    fs::remove_file(&path).unwrap();
    assert_eq!(&*watched.current(start + LOOK_INTERVAL), "good");
    dir.write("key", "\n");
    assert_eq!(&*watched.current(start + LOOK_INTERVAL * 2), "good");
    assert!(watched.state.lock().unwrap().failing);

    dir.write("key", "better");
    assert_eq!(&*watched.current(start + LOOK_INTERVAL * 3), "better");
    assert!(!watched.state.lock().unwrap().failing);
}

#[test]
fn an_unusable_file_is_a_fault_that_names_it_and_not_its_content() {
    let dir = Dir::new("unusable");
    let missing = Watched::open(dir.0.join("missing"), Instant::now())
        .err()
        .unwrap();
    assert!(
        matches!(missing, SecretFault::Unreadable { .. }),
        "{missing}"
    );
    let empty = Watched::open(dir.write("empty", "\n"), Instant::now())
        .err()
        .unwrap();
    assert!(matches!(empty, SecretFault::EmptyFile { .. }), "{empty}");
    let large = "canary".repeat(MAX_FILE_BYTES);
    let large = Watched::open(dir.write("large", &large), Instant::now())
        .err()
        .unwrap();
    assert!(matches!(large, SecretFault::TooLarge { .. }), "{large}");
    for fault in [missing, empty, large] {
        let shown = format!("{fault} {fault:?}");
        assert!(
            shown.contains("unusable") && !shown.contains("canary"),
            "{shown}"
        );
    }
}

#[test]
fn clones_of_a_secret_share_the_file() {
    let dir = Dir::new("clones");
    let secret = crate::Secret::from_file(dir.write("key", "abc")).unwrap();
    let other = secret.clone();
    assert_eq!(&*secret.reveal(), &*other.reveal());
    assert_eq!(secret.file(), other.file());
    assert!(!format!("{secret:?}").contains("abc"));
}
