//! The same story and fault with redis-cli instead of rcl, for the table only: nothing of it is judged.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::resp::Value;
use crate::support::{ServerKind, Servers, judge, wait};

use super::cast::Part;
use super::fault::Fault;
use super::row::Moment;
use super::story::{Scene, Story};

/// It may wait for ever: then it hangs. Undisturbed it takes up to two minutes, beside many others.
const PATIENCE: Duration = Duration::from_secs(300);

const HANGS: &str = "hangs";

/// What it gets over twice its usual time.
const MORE: Duration = Duration::from_secs(60);

/// Gossip tells late what its commands have done.
const DONE_WITHIN: Duration = Duration::from_secs(8);

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Its exit code, or what else became of it.
    pub(super) first: String,
    /// The same commands again, once the world was mended.
    pub(super) again: String,
    /// Whether `--cluster check` finds nothing wrong and the story is done, after `--cluster fix` too.
    pub(super) end: &'static str,
    pub(super) lost: usize,
}

/// It has no command that brings a primary role back.
pub(super) fn knows(story: Story) -> bool {
    match story {
        Story::Form | Story::Grow | Story::Move | Story::Shrink => true,
        Story::FailBack => false,
    }
}

/// How long it takes when nothing happens; `None` if it fails by itself, or goes on for five minutes.
#[track_caller]
#[expect(clippy::print_stdout, reason = "a table without it needs a reason")]
pub(super) fn undisturbed(story: Story, kind: ServerKind) -> Option<Duration> {
    let scene = story.begin(kind);
    prepare(story, &scene);
    let commands = commands(story, &scene);
    let began = Instant::now();
    let (code, said) = end(start(&scene, &commands, " && "));
    let took = began.elapsed();
    let done = code == "0" && done(story, &scene);
    if !done {
        let (story, kind) = (story.name(), kind.name());
        println!(
            "{story} on {kind}: redis-cli alone, undisturbed: {code} after {took:.1?}: {said}"
        );
    }
    done.then_some(took)
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
    let commands = commands(story, &scene);
    let running = start(&scene, &commands, " && ");
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
    if let Some(signal) = signal {
        send(&running, signal);
    }
    let patience = usual * 2 + MORE;
    let (first, _) = end_within(patience, running);
    fault.mend(story, &mut scene.servers);
    // Each of the commands, whatever the one before said: what was done already is refused.
    let (again, _) = end_within(patience, start(&scene, &commands, " ; "));
    let mut state = "whole";
    if !done(story, &scene) {
        state = "whole after fix";
        let fix = cluster("fix", &scene, "--cluster-yes");
        let _ = end_within(patience, start(&scene, &[fix], ""));
        let _ = end_within(patience, start(&scene, &commands, " ; "));
        if !done(story, &scene) {
            state = "broken";
        }
    }
    Outcome {
        first,
        again,
        end: state,
        lost: scene.missing_at_primaries().len(),
    }
}

/// What has to be done before the story's commands.
#[track_caller]
fn prepare(story: Story, scene: &Scene) {
    match story {
        Story::Form | Story::Move | Story::Shrink | Story::FailBack => return,
        Story::Grow => {}
    }
    let newcomer = address(&scene.servers, story.node(Part::Taker));
    let add = |rest: &str| cluster(&format!("add-node {rest}"), scene, "");
    let added = end(start(scene, &[add(&newcomer)], ""));
    assert_eq!(added.0, "0", "{}", added.1);
    wait::until("the newcomer to be known", || {
        let said = end(start(scene, &[cluster("check", scene, "")], ""));
        if said.0 == "0" && said.1.contains(&newcomer) {
            Ok(())
        } else {
            Err(said.1)
        }
    });
    let id = scene.servers.id(story.node(Part::Taker));
    let replica = address(&scene.servers, "host8:7000");
    let added = end(start(scene, &[add(&replica)], ""));
    assert_eq!(added.0, "0", "{}", added.1);
    // Added as a replica at once it ends with an error now and then, since the newcomer doesn't know its primary yet.
    wait::until("the newcomer's replica to follow it", || {
        let words = ["CLUSTER", "REPLICATE", &id];
        let reply = scene.servers.call("host8:7000", &words);
        if let Value::Simple(_) = reply {
            Ok(())
        } else {
            Err(format!("{reply:?}"))
        }
    });
    // It begins to move at once, and what the newcomer then refuses ends it.
    wait::until("the newcomer to call the cluster ok", || {
        let said = judge::ask(scene.servers.address(story.node(Part::Taker))).info;
        match said.get("cluster_state").map(String::as_str) {
            Some("ok") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

/// What a person types, one after the other.
#[track_caller]
fn commands(story: Story, scene: &Scene) -> Vec<String> {
    let id = |part: Part| scene.servers.id(story.node(part));
    match story {
        Story::Form => {
            let names = scene.servers.names();
            let all: Vec<String> = names.iter().map(|it| address(&scene.servers, it)).collect();
            vec![format!(
                "redis-cli --cluster create {} --cluster-replicas 1 --cluster-yes",
                all.join(" ")
            )]
        }
        Story::Grow => vec![cluster("rebalance", scene, "--cluster-use-empty-masters")],
        Story::Move => {
            let (from, to) = (id(Part::Giver), id(Part::Taker));
            let slots = "--cluster-slots 2462 --cluster-yes";
            let options = format!("--cluster-from {from} --cluster-to {to} {slots}");
            vec![cluster("reshard", scene, &options)]
        }
        Story::Shrink => {
            let giver = id(Part::Giver);
            let emptied = format!("--cluster-weight {giver}=0");
            vec![
                cluster("rebalance", scene, &emptied),
                cluster("del-node", scene, &scene.servers.id(story.heir())),
                cluster("del-node", scene, &giver),
            ]
        }
        Story::FailBack => panic!("redis-cli has no command for it"),
    }
}

/// Nothing is wrong with the cluster, and the story has come to its end.
#[track_caller]
fn done(story: Story, scene: &Scene) -> bool {
    let done = || is_done(story, scene).then_some(()).ok_or(());
    wait::within(DONE_WITHIN, done).is_ok()
}

#[track_caller]
fn is_done(story: Story, scene: &Scene) -> bool {
    if end(start(scene, &[cluster("check", scene, "")], "")).0 != "0" {
        return false;
    }
    let lines = judge::cluster_nodes(scene.servers.address("host2:7000"));
    let slots = |node: &str| {
        let address = address(&scene.servers, node);
        let line = lines.iter().find(|line| line.address == address);
        let ranges = line.map(|line| line.slots.clone());
        ranges.map(|ranges| ranges.iter().map(|(from, to)| to - from + 1).sum::<u16>())
    };
    match story {
        Story::Form | Story::FailBack => {
            lines.len() == 6 && lines.iter().filter(|line| line.is_replica()).count() == 3
        }
        // Whoever of the pair leads it now.
        Story::Grow => ["host7:7000", "host8:7000"]
            .iter()
            .any(|node| slots(node).is_some_and(|slots| (4000..4200).contains(&slots))),
        Story::Move => ["host3:7000", "host6:7000"]
            .iter()
            .any(|node| slots(node) >= Some(5461 + 2462)),
        Story::Shrink => slots("host7:7000").is_none() && slots("host8:7000").is_none(),
    }
}

fn address(servers: &Servers, name: &str) -> String {
    servers.address(name).to_string()
}

/// By way of host2:7000, which is nobody's victim.
fn cluster(words: &str, scene: &Scene, options: &str) -> String {
    let entry = address(&scene.servers, "host2:7000");
    format!("redis-cli --cluster {words} {entry} {options}")
}

/// Starts them in a group of their own, so that a signal reaches whichever runs.
#[track_caller]
fn start(scene: &Scene, commands: &[String], between: &str) -> Child {
    let folder = scene.rcl.folder();
    let output = std::fs::File::create(folder.join("redis-cli.txt")).expect("a file");
    let copy = output.try_clone().expect("a second handle");
    // Who was started in the background of a shell was told to ignore signals, and would pass that on.
    Command::new("env")
        .args(["--default-signal=INT,HUP", "sh", "-c"])
        .arg(commands.join(between))
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(copy)
        .spawn()
        .expect("a shell")
}

fn send(child: &Child, signal: Signal) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, signal);
    }
}

fn end(child: Child) -> (String, String) {
    end_within(PATIENCE, child)
}

/// How it ended, and what it said.
fn end_within(patience: Duration, mut child: Child) -> (String, String) {
    let folder = std::fs::read_link(format!("/proc/{}/cwd", child.id()));
    let ended = wait::within(patience, || match child.try_wait() {
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
            send(&child, Signal::KILL);
            let _ = child.wait();
            HANGS.to_owned()
        }
    };
    (code, said)
}
