//! What a lab refuses or reports instead of doing.

use super::*;

#[test]
fn a_port_in_use_is_named_before_anything_is_started() {
    let lab = Lab::new(&[7000, 7001]);
    for (port, words) in [(7001, ""), (17001, " for the cluster bus")] {
        let address = (lab.block.host(2), port);
        let stranger = TcpListener::bind(address).unwrap();
        let ran = lab.run("up", &[]);
        assert_eq!(ran.code, 1);
        let expected = format!(
            "error: nothing was started, since host2:7001 needs {}:{port}{words}, and another program listens there",
            address.0
        );
        assert!(ran.err.starts_with(&expected), "{}", ran.err);
        assert_eq!(lab.pids(), BTreeMap::new());
        drop(stranger);
    }
    lab.ok("up", &[]);
    lab.ok("down", &[]);
}

#[test]
fn only_loopback_addresses_are_started() {
    let mut lab = Lab::new(&[7000]);
    let host2 = HostName("host2".into());
    let far = [
        HostAddress::Ip("192.168.81.101".parse().unwrap()),
        HostAddress::Dns("r2.example.net".into()),
    ];
    for address in far {
        lab.desired.hosts.get_mut(&host2).unwrap().address = address.clone();
        let ran = lab.run("up", &[]);
        assert_eq!(ran.code, 1);
        let expected = format!("error: host2 is at {address}, and `rcl lab` starts nodes only on");
        assert!(ran.err.starts_with(&expected), "{}", ran.err);
    }
    assert!(!lab.folder.path().join(".lab").exists());
}

#[test]
fn a_node_that_announces_another_place_is_refused() {
    let mut lab = Lab::new(&[7000]);
    lab.desired.nodes.values_mut().next().unwrap().announce = Some(Announce {
        ip: "203.0.113.7".parse().unwrap(),
        port: None,
        bus_port: None,
    });
    let ran = lab.run("up", &[]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("error: host1:7000 announces 203.0.113.7, where"),
        "{}",
        ran.err
    );
}

#[test]
fn a_node_that_does_not_come_up_shows_the_end_of_its_log() {
    let mut lab = Lab::new(&[7000]);
    let wrong = Setting::Plain("lots".into());
    let node = lab.desired.nodes.values_mut().next().unwrap();
    node.config.insert("maxmemory".into(), wrong);
    let ran = lab.run("up", &[]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert_eq!(
        words(&ran.out),
        [("failed", "host1:7000"), ("started", "host2:7000")]
    );
    let first = ran.err.lines().next().unwrap();
    assert_eq!(
        first,
        "error: host1:7000 did not come up: the server ended with exit status: 1"
    );
    assert!(
        ran.err.contains("'maxmemory lots'") || ran.err.contains("\"lots\""),
        "{}",
        ran.err
    );

    // The file is mended, and the node starts with what it says now.
    lab.grow(&[7000]);
    let up = lab.ok("up", &[]);
    assert_eq!(
        words(&up),
        [("started", "host1:7000"), ("running", "host2:7000")]
    );
    lab.ok("down", &[]);
}

#[test]
fn another_clusters_lab_is_refused() {
    let mut lab = Lab::new(&[7000]);
    lab.ok("up", &[]);
    let dir = lab.dir();
    let dir = ["--dir", dir.to_str().unwrap()];
    lab.desired.cluster = "orders".into();
    for command in ["up", "down", "status"] {
        let ran = lab.run(command, &dir);
        assert_eq!(ran.code, 1);
        assert!(
            ran.err.contains("is the lab of cluster seed"),
            "{}",
            ran.err
        );
    }
    lab.desired.cluster = "seed".into();
    lab.ok("down", &[]);
}

#[test]
fn only_one_at_a_time() {
    let lab = Lab::new(&[7000]);
    lab.ok("up", &[]);
    let file = fs::File::options()
        .write(true)
        .open(lab.dir().join("lock"))
        .unwrap();
    file.lock().unwrap();
    for command in ["up", "down"] {
        let ran = lab.run(command, &[]);
        assert_eq!(ran.code, 1);
        assert!(
            ran.err
                .contains("another `rcl lab` is at work in FOLDER/.lab/seed"),
            "{}",
            ran.err
        );
    }
    lab.ok("status", &[]);
    drop(file);
    lab.ok("down", &[]);
}

#[test]
fn a_wrong_server_is_named() {
    let lab = Lab::new(&[7000]);
    let ran = lab.run("up", &["--server", "/bin/true"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("error: /bin/true can't be used as the server:"),
        "{}",
        ran.err
    );
    assert!(!lab.folder.path().join(".lab").exists());
    assert!(Path::new(&lab.server).exists());
}
