//! What `down --wipe` removes, and what it doesn't.

use super::*;

#[test]
fn wipe_keeps_what_is_not_its_own() {
    let lab = Lab::new(&[7000]);
    lab.ok("up", &[]);
    let note = lab.dir().join("host1/7000/note.txt");
    fs::write(&note, "mine").unwrap();
    let down = lab.ok("down", &["--wipe"]);
    assert!(
        down.contains("kept what is not its own:\n  FOLDER/.lab/seed/host1/7000/note.txt\n"),
        "{down}"
    );
    assert!(note.exists() && !lab.dir().join("host1/7000/redis.conf").exists());
    assert!(!lab.dir().join("host2").exists());

    fs::remove_file(&note).unwrap();
    lab.ok("down", &["--wipe"]);
    assert!(!lab.folder.path().join(".lab").exists());
    assert!(lab.folder.path().exists());
}

#[test]
fn a_folder_that_it_did_not_make_stays() {
    let lab = Lab::new(&[7000]);
    let own = lab.folder.path().join("mine");
    fs::create_dir(&own).unwrap();
    let dir = ["--dir", own.to_str().unwrap()];
    lab.ok("up", &dir);
    lab.ok("down", &[&dir[..], &["--wipe"]].concat());
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0);

    fs::write(own.join("thesis.txt"), "mine").unwrap();
    let ran = lab.run("up", &dir);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("FOLDER/mine holds files of something else"),
        "{}",
        ran.err
    );
    assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
}
