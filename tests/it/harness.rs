//! Proves the parts of the tests' support that need no cluster: missing programs, blocks of addresses, the
//! sealed runner, the terminal, the YAML.

use std::path::Path;

use insta::assert_snapshot;

use crate::support::redact::Redactions;
use crate::support::resp::Client;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, ServerKind, Servers, Shard, kind, views, wait};

#[test]
fn a_missing_server_says_what_to_do() {
    let folder = Path::new("/nowhere");
    let missing = ServerKind::Valkey91.program_in(folder).unwrap_err();
    assert_snapshot!(missing, @"/nowhere/valkey-9.1 is missing: run `make test`, which installs the servers that the tests need, or name their folder in RCL_TEST_SERVERS");
}

#[test]
fn servers_of_two_tests_never_collide_and_end_with_them() {
    let start = || Servers::prepare(ServerKind::Redis70).grid(2, 1).start();
    let (mut one, other) = (start(), start());
    assert_ne!(one.hosts(), other.hosts());
    let folder = one.folder("host1:7000").to_owned();
    let pid = one.pid("host1:7000");
    one.pause("host1:7000");
    drop(one);
    assert!(!folder.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

/// As when the test process is killed: nobody runs `Drop`, the kernel ends the servers.
#[test]
fn servers_end_with_the_thread_that_started_them() {
    let thread = std::thread::spawn(|| Servers::prepare(ServerKind::Redis70).grid(1, 1).start());
    let servers = thread.join().expect("a server starts");
    wait::until("the server to be gone", || {
        match Client::connect(servers.address("host1:7000")) {
            Ok(_) => Err("it answers"),
            Err(_) => Ok(()),
        }
        .map_err(str::to_owned)
    });
}

#[test]
fn the_yaml_declares_the_servers() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(2, 1).start();
    let yaml = Yaml::grown(&servers).config("cluster-node-timeout", "15s");
    assert_snapshot!(Redactions::new(&servers).apply(&yaml.to_string()), @r"
    cluster: orders
    hosts:
      host1: host1
      host2: host2
    config:
      cluster-node-timeout: 15s
    shards:
      a: {primary: host1:7000, replicas: [host2:7000], slots: 0-5461}
      b: {primary: host1:7001, replicas: [host2:7001], slots: 5462-10922}
      c: {primary: host1:7002, replicas: [host2:7002], slots: 10923-16383}
      d: {primary: host1:7003, replicas: [host2:7003], slots: none}
    ");
    let split = Yaml::new(&servers, &[Shard::new("host1:7000", &[], "0-5,7-16383")]).to_string();
    assert!(
        split.contains("replicas: [], slots: [0-5, 7-16383]}"),
        "{split}"
    );
}

#[test]
fn even_shares_cover_every_slot() {
    let slots: Vec<_> = Shard::even(3)
        .into_iter()
        .flat_map(|shard| shard.slots)
        .collect();
    assert_eq!(slots, [(0, 5460), (5461, 10921), (10922, 16383)]);
}

#[test]
fn every_form_of_a_nodes_line_is_read() {
    let id = "451b7a2f6cf3b1b1d9b0ac0b38ff1c3b1a2c3d4e";
    let lines = views::parse(&format!(
        "{id} 127.0.0.1:7000@17000,a.example.net myself,master - 0 17 1 connected 0-100 200 [50->-{id}]\n\
         {id} :0@0 master,noaddr - 0 0 0 disconnected\n\
         {id} ::1:7001@17001 slave,fail? {id} 0 0 1 connected\n"
    ));
    assert_eq!(lines[0].slots, [(0, 100), (200, 200)]);
    assert_eq!(lines[0].open, [format!("[50->-{id}]")]);
    assert_eq!(
        (lines[0].address.as_str(), lines[0].bus_port),
        ("127.0.0.1:7000", 17000)
    );
    assert_eq!(lines[1].trouble(), Some("noaddr"));
    assert_eq!(
        (lines[2].address.as_str(), lines[2].parent.as_deref()),
        ("::1:7001", Some(id))
    );
    assert_eq!(lines[2].trouble(), Some("fail?"));
}

fn shell() -> Rcl {
    Rcl::with_program(kind::on_path("sh").expect("a shell"))
}

#[test]
fn the_runner_is_sealed() {
    let ran = shell()
        .env("ONE", "1")
        .run(&["-c", "env | grep -v '^_=' | cut -d= -f1 | sort; pwd"]);
    let output = ran.success();
    let mut lines: Vec<&str> = output.stdout().lines().collect();
    let folder = lines.pop().unwrap_or_default();
    assert!(
        folder.starts_with('/') && folder != env!("CARGO_MANIFEST_DIR"),
        "{folder}"
    );
    // The shell itself sets PWD, OLDPWD or SHLVL.
    lines.retain(|name| !["PWD", "OLDPWD", "SHLVL"].contains(name));
    assert_eq!(lines, ["COLUMNS", "HOME", "ONE", "PATH"]);
    shell().run(&["-c", "exit 3"]).code(3);
}

#[test]
fn the_runner_writes_files_where_rcl_runs() {
    let rcl = shell();
    let ran = rcl
        .file("seed.yaml", &"cluster: x\n")
        .run(&["-c", "cat seed.yaml"]);
    assert_eq!(ran.success().stdout(), "cluster: x\n");
}

#[test]
fn the_runner_bounds_memory() {
    let buffer = ["if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"];
    let dd = Rcl::with_program(kind::on_path("dd").expect("dd"));
    let within = |memory| dd.run_within(memory, &buffer).exit();
    assert_eq!((within(100 << 20), within(300 << 20)), (Some(1), Some(0)));
}

#[test]
#[should_panic(expected = "expected exit code 0 and nothing on standard error")]
fn the_runner_refuses_words_on_standard_error() {
    shell().run(&["-c", "echo warning >&2"]).success();
}

#[test]
#[should_panic(expected = "--- standard output\nout\n--- standard error\nerr\n---")]
fn the_runner_shows_both_streams() {
    shell()
        .run(&["-c", "echo out; echo err >&2; exit 3"])
        .code(0);
}

#[test]
#[should_panic(expected = "escape codes in a pipe")]
fn the_runner_refuses_colour_in_a_pipe() {
    shell().run(&["-c", "printf '\\033[31mred'"]).success();
}

#[test]
fn a_person_at_a_terminal() {
    let script = "test -t 0 && test -t 1 && stty size; \
        printf '\\033[1mGo on?\\033[0m '; read answer; echo \"got $answer\"; \
        trap 'echo stopped; exit 1' INT; echo waiting; while :; do sleep 0.01; done";
    let mut terminal = shell().terminal(&["-c", script]);
    terminal
        .expect("50 100")
        .expect("Go on? ")
        .type_line("yes")
        .expect("got yes");
    terminal
        .expect("waiting")
        .ctrl_c()
        .expect("stopped")
        .code(1);
    assert!(
        terminal.raw().contains("\u{1b}[1mGo on?"),
        "{:?}",
        terminal.raw()
    );
}

#[test]
#[should_panic(expected = "ended with Some(ExitStatus(unix_wait_status(0)))")]
fn the_terminal_refuses_another_exit_code() {
    shell()
        .terminal(&["-c", "echo done"])
        .expect("done")
        .code(3);
}

#[test]
fn the_binary_is_found() {
    let version = concat!("rcl ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(Rcl::new().run(&["--version"]).success().stdout(), version);
    Rcl::new().run(&[]).code(64);
}

#[test]
fn a_running_program_waits_for_its_reader() {
    let script = "for n in 1 2 3 4 5 6; do echo $n >&2; echo $n > last; done";
    let shell = shell();
    let mut running = shell.start(&["-c", script]);
    assert_eq!(running.next().as_deref(), Some("1\n"));
    assert_eq!(running.next().as_deref(), Some("2\n"));
    wait::until("the third line", || {
        match std::fs::read_to_string(shell.path("last")) {
            Ok(last) if last == "3\n" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    running.kill();
    assert_eq!(std::fs::read_to_string(shell.path("last")).unwrap(), "3\n");
    shell
        .start(&["-c", "echo out; echo err >&2; exit 3"])
        .end()
        .code(3);
}
