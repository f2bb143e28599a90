//! Up, status and down, and what lives through them.

use super::*;

#[test]
fn starts_what_is_missing_and_ends_what_it_started() {
    let lab = Lab::new(&[7000, 7001]);
    let up = lab.ok("up", &[]);
    assert_eq!(
        words(&up),
        [
            ("started", "host1:7000"),
            ("started", "host2:7000"),
            ("started", "host1:7001"),
            ("started", "host2:7001"),
        ]
    );
    assert!(
        up.ends_with(" in FOLDER/.lab/seed.\n") && up.contains("4 nodes started with Redis "),
        "{up}"
    );
    let first = lab.pids();
    assert_eq!(first.len(), 4);
    for pid in first.values() {
        // A Ctrl-C in the terminal goes to rcl's process group, which is not theirs.
        assert_eq!(stat_field(*pid, 5), pid.to_string());
    }

    let again = lab.ok("up", &[]);
    assert!(
        again.contains("Nothing to start: 4 nodes running already"),
        "{again}"
    );
    assert_eq!(lab.pids(), first);

    let victim = first["host2:7000"];
    signal("KILL", victim);
    wait_until_ended(victim);
    let status = lab.run("status", &[]);
    assert_eq!((status.code, status.err.as_str()), (2, ""));
    assert!(
        words(&status.out).contains(&("stopped", "host2:7000")),
        "{}",
        status.out
    );

    let mended = lab.ok("up", &[]);
    assert_eq!(
        words(&mended)
            .iter()
            .filter(|(word, _)| *word == "started")
            .count(),
        1,
        "{mended}"
    );
    let second = lab.pids();
    assert_ne!(second["host2:7000"], victim);
    assert_eq!(second["host1:7000"], first["host1:7000"]);
    let status = lab.ok("status", &[]);
    assert!(
        words(&status).iter().all(|(word, _)| *word == "running"),
        "{status}"
    );
    let pid = format!("pid {}  Redis ", second["host2:7000"]);
    assert!(status.contains(&pid), "{status}");

    let down = lab.ok("down", &[]);
    assert!(
        down.ends_with("4 nodes stopped, in FOLDER/.lab/seed.\n"),
        "{down}"
    );
    assert_eq!(lab.pids(), BTreeMap::new());
    assert!(second.values().all(|pid| !is_running(*pid)));
    let again = lab.ok("down", &[]);
    assert_eq!(
        again,
        "Nothing to stop: no node runs in FOLDER/.lab/seed.\n"
    );
}

/// Each server has to accept every line of its configuration, and to be what the configuration says.
#[test]
fn every_server_starts_with_its_configuration() {
    for server in by_hand::programs() {
        let mut lab = Lab::of(server.clone(), &[7000]);
        for (option, value) in [
            ("cluster-require-full-coverage", "no"),
            ("save", "900 1 300 10"),
            (
                "client-output-buffer-limit",
                "normal 0 0 0 replica 256mb 64mb 60",
            ),
            ("appendonly", "yes"),
        ] {
            by_hand::declare(&mut lab.desired, option, &Setting::Plain(value.into()));
        }
        for node in lab.desired.nodes.values_mut() {
            node.hostname = Some("a.example.net".into());
        }
        let up = lab.ok("up", &[]);
        let info = lab.ask("host1:7000", "INFO cluster");
        assert!(
            info.contains("cluster_enabled:1"),
            "{}: {info}",
            server.display()
        );
        let save = lab.ask("host2:7000", "CONFIG GET save");
        assert!(
            save.contains("900 1 300 10"),
            "{}: {save}",
            server.display()
        );
        let announced = lab.ask("host2:7000", "CONFIG GET cluster-announce-*");
        let ip = lab.block.host(2).to_string();
        assert!(announced.contains(&ip), "{}: {announced}", server.display());
        let knows_hostname = !up.contains("Redis 6.2");
        assert_eq!(
            announced.contains("a.example.net"),
            knows_hostname,
            "{announced}"
        );
        let rewritten = lab.ask("host1:7000", "CONFIG REWRITE");
        assert!(rewritten.starts_with("+OK"), "{rewritten}");
        lab.ok("down", &["--wipe"]);
        assert!(
            !lab.folder.path().join(".lab").exists(),
            "{}",
            server.display()
        );
    }
}

#[test]
fn ipv6_loopback_works_too() {
    let ip: IpAddr = "::1".parse().unwrap();
    if TcpListener::bind((ip, 0)).is_err() {
        return; // This machine has no IPv6 at all.
    }
    // There is only one such address, so the port keeps test runs apart.
    let port = 10000 + u16::try_from(std::process::id() % 12000).unwrap();
    let mut lab = Lab::new(&[port]);
    let host1 = HostName("host1".into());
    lab.desired.hosts.get_mut(&host1).unwrap().address = HostAddress::Ip(ip);
    lab.ok("up", &[]);
    let reply = lab.ask(&format!("host1:{port}"), "PING");
    assert!(reply.starts_with("+PONG"), "{reply}");
    lab.ok("down", &[]);
}

#[test]
fn a_grown_file_starts_only_the_new_nodes() {
    let mut lab = Lab::new(&[7000]);
    lab.ok("up", &[]);
    let before = lab.pids();
    lab.grow(&[7000, 7003]);
    let up = lab.ok("up", &[]);
    assert!(
        up.contains("2 nodes started with Redis ") && up.contains(", 2 ran already"),
        "{up}"
    );
    let after = lab.pids();
    assert!(before.iter().all(|(name, pid)| after[name] == *pid));

    lab.grow(&[7000]);
    let shrunk = lab.ok("up", &[]);
    let note = "Also running here, but not in the file: host1:7003, host2:7003.";
    assert!(shrunk.contains(note), "{shrunk}");
    let status = lab.ok("status", &[]);
    assert_eq!(status.matches("not in the file").count(), 2, "{status}");
    let down = lab.ok("down", &[]);
    assert!(down.contains("4 nodes stopped"), "{down}");
}

#[test]
fn a_pid_that_went_to_another_process_is_left_alone() {
    let lab = Lab::new(&[7000]);
    lab.ok("up", &[]);
    lab.ok("down", &[]);
    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let path = lab.dir().join("state.json");
    let mut state: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    state["nodes"]["host1:7000"]["process"] =
        serde_json::json!({"pid": stranger.id(), "started": 1, "boot": boot.trim()});
    fs::write(&path, state.to_string()).unwrap();

    let down = lab.ok("down", &[]);
    assert!(down.starts_with("Nothing to stop"), "{down}");
    assert!(is_running(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_frozen_node_is_silent_and_still_ends() {
    let lab = Lab::new(&[7000]);
    lab.ok("up", &[]);
    let pid = lab.pids()["host1:7000"];
    signal("STOP", pid);
    let status = lab.run("status", &[]);
    assert_eq!(status.code, 2);
    assert!(
        words(&status.out).contains(&("silent", "host1:7000")),
        "{}",
        status.out
    );
    let down = lab.ok("down", &[]);
    assert!(words(&down).contains(&("stopped", "host1:7000")), "{down}");
    assert!(!is_running(pid));
}

#[test]
fn data_survives_down_and_up() {
    let lab = Lab::new(&[7000]);
    lab.ok("up", &[]);
    let id = lab.ask("host1:7000", "CLUSTER MYID");
    let slots = lab.ask("host1:7000", "CLUSTER ADDSLOTS 0 1 2");
    assert!(slots.starts_with("+OK"), "{slots}");
    lab.ok("down", &[]);
    lab.ok("up", &[]);
    assert_eq!(lab.ask("host1:7000", "CLUSTER MYID"), id);
    lab.ok("down", &["--wipe"]);
    lab.ok("up", &[]);
    assert_ne!(lab.ask("host1:7000", "CLUSTER MYID"), id);
    lab.ok("down", &[]);
}

#[test]
fn secrets_reach_the_server_and_no_file() {
    let mut lab = Lab::new(&[7000]);
    let secret = |value: Option<&str>| Setting::Secret {
        source: SecretSource::Env("SEED_PASSWORD".into()),
        value: value.map(|value| Secret::new(value.into())),
    };
    by_hand::declare(&mut lab.desired, "requirepass", &secret(None));
    let ran = lab.run("up", &[]);
    assert_eq!(ran.code, 1);
    let expected = "error: the requirepass of host1:7000 is to come from the environment variable SEED_PASSWORD, which";
    assert!(ran.err.starts_with(expected), "{}", ran.err);

    by_hand::declare(
        &mut lab.desired,
        "requirepass",
        &secret(Some("hunter \"2\"")),
    );
    lab.ok("up", &[]);
    assert!(lab.ask("host1:7000", "PING").starts_with("-NOAUTH"));
    assert!(
        lab.ask("host1:7000", r#"AUTH "hunter \"2\"""#)
            .starts_with("+OK")
    );
    for file in [
        "host1/7000/redis.conf",
        "host1/7000/redis.log",
        "state.json",
    ] {
        let text = fs::read_to_string(lab.dir().join(file)).unwrap();
        assert!(!text.contains("hunter"), "{file}: {text}");
    }
    let pid = lab.pids()["host1:7000"];
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(!arguments.contains("hunter"), "{arguments}");
    lab.ok("down", &[]);
}
