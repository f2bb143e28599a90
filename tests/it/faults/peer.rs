//! The same story and fault with redis-cli instead of rcl, for the table only: nothing of it is judged.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{ServerKind, Servers, wait};

use super::cast::Part;
use super::fault::Fault;
use super::row::Moment;
use super::story::{Scene, Story};

/// It may wait for ever: then it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Its exit code, or what else became of it.
    pub(super) first: String,
    /// The same command again, once the world was mended.
    pub(super) again: String,
    /// Whether `--cluster check` finds nothing wrong, after `--cluster fix` too.
    pub(super) end: &'static str,
    pub(super) lost: usize,
}

/// How long it takes when nothing happens.
#[track_caller]
pub(super) fn undisturbed(story: Story, kind: ServerKind) -> Duration {
    let scene = story.begin(kind);
    prepare(story, &scene);
    let began = Instant::now();
    let (code, _) = end(start(story, &scene));
    assert_eq!(code, "0", "redis-cli can do it when nothing happens");
    began.elapsed()
}

#[track_caller]
pub(super) fn run(
    story: Story,
    kind: ServerKind,
    fault: Fault,
    moment: Moment,
    usual: Duration,
) -> Outcome {
    let mut scene = story.begin(kind);
    prepare(story, &scene);
    let running = start(story, &scene);
    let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw);
    let at = usual * u32::try_from(moment.percent()).unwrap_or(0) / 100;
    // Its output comes when it ends, so time is all there is to go by.
    let _: Result<(), ()> = wait::within(at, || Err(()));
    fault.strike(story, &mut scene.servers);
    let signal = match fault {
        Fault::RclKilled => Some(Signal::KILL),
        Fault::RclStopped(signal) => Some(signal),
        Fault::Killed(_)
        | Fault::Paused(_)
        | Fault::Restarted(_)
        | Fault::Blank(_)
        | Fault::Cut(_)
        | Fault::Slow(_)
        | Fault::Parted
        | Fault::FailedOver => None,
    };
    if let (Some(signal), Some(pid)) = (signal, pid) {
        let _ = kill_process(pid, signal);
    }
    let (first, _) = end(running);
    fault.mend(story, &mut scene.servers);
    let (again, _) = end(start(story, &scene));
    let whole = |scene: &Scene| end(cluster(scene, &["check"], &[])).0 == "0";
    let mut state = "whole";
    if again != "0" || !whole(&scene) {
        state = "whole after fix";
        let _ = end(cluster(&scene, &["fix"], &["--cluster-yes"]));
        let _ = end(start(story, &scene));
        if !whole(&scene) {
            state = "broken";
        }
    }
    Outcome {
        first,
        again,
        end: state,
        lost: scene.lost(),
    }
}

/// What has to be done before the story's command.
#[track_caller]
fn prepare(story: Story, scene: &Scene) {
    if story == Story::Form {
        return;
    }
    let newcomer = address(&scene.servers, story.node(Part::Taker));
    let added = end(cluster_with(scene, "add-node", &[&newcomer], &[]));
    assert_eq!(added.0, "0", "{}", added.1);
    wait::until("the newcomer to be known", || {
        let said = end(cluster(scene, &["check"], &[]));
        if said.0 == "0" && said.1.contains(&newcomer) {
            Ok(())
        } else {
            Err(said.1)
        }
    });
    let id = scene.servers.id(story.node(Part::Taker));
    let replica = address(&scene.servers, "host8:7000");
    let options = ["--cluster-slave", "--cluster-master-id", &id];
    let added = end(cluster_with(scene, "add-node", &[&replica], &options));
    assert_eq!(added.0, "0", "{}", added.1);
}

#[track_caller]
fn start(story: Story, scene: &Scene) -> Child {
    match story {
        Story::Form => {
            let others: Vec<String> = scene.servers.names()[1..]
                .iter()
                .map(|name| address(&scene.servers, name))
                .collect();
            let mut words = vec!["create".to_owned(), address(&scene.servers, "host1:7000")];
            words.extend(others);
            words.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
            spawn(scene, &words)
        }
        Story::Grow | Story::Shrink | Story::FailBack => {
            cluster(scene, &["rebalance"], &["--cluster-use-empty-masters"])
        }
    }
}

fn address(servers: &Servers, name: &str) -> String {
    servers.address(name).to_string()
}

fn cluster(scene: &Scene, command: &[&str], options: &[&str]) -> Child {
    cluster_with(scene, command[0], &[], options)
}

/// host2:7000 is nobody's victim.
fn cluster_with(scene: &Scene, command: &str, nodes: &[&str], options: &[&str]) -> Child {
    let mut words = vec![command.to_owned()];
    words.extend(nodes.iter().map(ToString::to_string));
    words.push(address(&scene.servers, "host2:7000"));
    words.extend(options.iter().map(ToString::to_string));
    spawn(scene, &words)
}

fn spawn(scene: &Scene, words: &[String]) -> Child {
    let folder: &Path = scene.rcl.folder();
    let output = std::fs::File::create(folder.join("redis-cli.txt")).expect("a file");
    let copy = output.try_clone().expect("a second handle");
    Command::new("redis-cli")
        .arg("--cluster")
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(copy)
        .spawn()
        .expect("redis-cli is on PATH")
}

/// How it ended, and nothing of what it said but through the file; here for messages of failed assertions.
fn end(mut child: Child) -> (String, String) {
    let folder = std::fs::read_link(format!("/proc/{}/cwd", child.id()));
    let ended = wait::within(PATIENCE, || match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        Ok(None) | Err(_) => Err(()),
    });
    let said = folder
        .and_then(|folder| std::fs::read_to_string(folder.join("redis-cli.txt")))
        .unwrap_or_default();
    let code = match ended {
        Ok(status) => status
            .code()
            .map_or("killed".to_owned(), |code| code.to_string()),
        Err(()) => {
            let _ = child.kill();
            let _ = child.wait();
            "hangs".to_owned()
        }
    };
    (code, said)
}
