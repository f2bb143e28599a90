//! One story with one fault at one moment: how rcl ended, and what the next applies made of it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::support::{ServerKind, wait};

use super::fault::Fault;
use super::judge::{self, last};
use super::peer;
use super::story::{Scene, Story};
use super::table;

/// Enough for elections and for everything that is waited for inside; a row never needs it all.
const MENDED_WITHIN: Duration = Duration::from_secs(100);

/// After which part of the lines that an undisturbed run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(usize);

impl Moment {
    const PARTS: usize = 16;

    pub(super) const ALL: [Self; 4] = [Self(6), Self(10), Self(1), Self(15)];

    /// The one at which redis-cli is disturbed too.
    pub(super) const COMPARED: Self = Self(6);

    /// The first of them, as many as the whole table is to have.
    pub(super) fn chosen() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().take(table::moments())
    }

    fn line(self, lines: usize) -> usize {
        (lines * self.0 / Self::PARTS).max(1)
    }

    pub(super) fn percent(self) -> usize {
        self.0 * 100 / Self::PARTS
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) fault: Fault,
    pub(super) moment: Moment,
    /// Of the disturbed run; none for a killed one.
    pub(super) code: Option<i32>,
    pub(super) took: Duration,
    /// The exit code of a plan right after it, before anything was mended.
    pub(super) state: Option<i32>,
    /// Exit codes of the applies after the world was mended.
    pub(super) mended: Vec<i32>,
    pub(super) end: String,
    pub(super) lost: usize,
    /// What redis-cli made of the same.
    pub(super) peer: Option<peer::Outcome>,
    /// What must not be.
    pub(super) wrong: Vec<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, at {} %: {} after {:.1?}, plan {}, then {}: {}, {} keys lost",
            self.fault.name(),
            self.moment.percent(),
            self.ended(),
            self.took,
            table::code(self.state),
            self.applies(),
            self.end,
            self.lost
        )?;
        self.wrong
            .iter()
            .try_for_each(|words| write!(f, "\n  WRONG: {words}"))
    }
}

/// How many lines a run without any fault says. It ends well, of course.
#[track_caller]
pub(super) fn undisturbed(story: Story, kind: ServerKind) -> usize {
    let scene = story.begin(kind);
    let mut apply = scene.apply();
    let mut lines = 0;
    while apply.next().is_some() {
        lines += 1;
    }
    apply.end().code(0);
    let objections = scene.objections(story.goal());
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    assert_eq!(scene.lost(), BTreeSet::new());
    lines
}

#[track_caller]
pub(super) fn run(
    story: Story,
    kind: ServerKind,
    fault: Fault,
    moment: Moment,
    lines: usize,
) -> Row {
    let mut scene = story.begin(kind);
    let mut apply = scene.apply();
    for _ in 0..moment.line(lines) {
        if apply.next().is_none() {
            break;
        }
    }
    let began = Instant::now();
    let mut row = Row::new(fault, moment);
    fault.strike(story, &mut scene.servers);
    let lossy = fault.costs_data();
    let mut missing = match lossy {
        true => scene.missing_at_primaries(),
        false => BTreeSet::new(),
    };
    if fault == Fault::RclKilled {
        apply.kill();
    } else {
        if let Fault::RclStopped(signal) = fault {
            apply.signal(signal);
        }
        let (code, said) = apply.end().whatever();
        row.took = began.elapsed();
        row.code = code;
        let said = [said.stdout(), said.stderr()].concat();
        row.wrong = judge::objections(&row, story, &scene, &said);
    }
    row.look(story, &scene);
    // A replica of the blank node may have taken over meanwhile, with all that it has.
    if lossy {
        let now = scene.missing_at_primaries();
        missing.retain(|key| now.contains(key));
    }
    fault.mend(story, &mut scene.servers);
    row.mend(story, &scene);
    row.count(&scene, &missing);
    row
}

/// The leave that it asked for.
fn leave(scene: &Scene, said: &str) -> BTreeSet<String> {
    let mut leave: BTreeSet<String> = scene.leave().into_iter().collect();
    let asked = said.split("--allow ").skip(1);
    let flags = asked.filter_map(|rest| rest.split_whitespace().next());
    // What a fault has left of a member has to be forgotten; nothing is given up.
    // Replicas that have gone to other shards by themselves may have to copy anew.
    const GIVEN: [&str; 3] = ["forget=", "remove=", "resync="];
    let forget = flags.filter(|flag| GIVEN.iter().any(|given| flag.starts_with(given)));
    leave.extend(forget.map(|flag| format!("--allow={}", flag.trim_end_matches(['.', ',']))));
    leave
}

impl Row {
    pub(super) fn new(fault: Fault, moment: Moment) -> Self {
        Self {
            fault,
            moment,
            code: None,
            took: Duration::ZERO,
            state: None,
            mended: Vec::new(),
            end: String::new(),
            lost: 0,
            peer: None,
            wrong: Vec::new(),
        }
    }

    /// A row that could not be run to its end.
    pub(super) fn broken(mut self, words: &str) -> Self {
        self.wrong.push(words.to_owned());
        self
    }

    pub(super) fn ended(&self) -> String {
        match self.fault {
            Fault::RclKilled => "killed".to_owned(),
            Fault::RclStopped(_)
            | Fault::Killed(_)
            | Fault::Paused(_)
            | Fault::Restarted(_)
            | Fault::Blank(_)
            | Fault::Cut(_)
            | Fault::Slow(_)
            | Fault::Parted
            | Fault::FailedOver => table::code(self.code),
        }
    }

    /// The exit codes of the applies afterwards, the last one and how many there were.
    fn applies(&self) -> String {
        let last = self.mended.last().map_or("none".to_owned(), i32::to_string);
        format!("{last} at apply {}", self.mended.len())
    }

    /// The state right after the disturbed run.
    #[track_caller]
    fn look(&mut self, story: Story, scene: &Scene) {
        let (code, said) = scene
            .rcl
            .run(&["plan", "--json", "--detailed-exitcode"])
            .whatever();
        self.state = code;
        let document = serde_json::from_str::<serde_json::Value>(said.stdout());
        let kind = document
            .ok()
            .and_then(|it| it["kind"].as_str().map(str::to_owned));
        let told = matches!(kind.as_deref(), Some("plan" | "error"));
        if !told || !matches!(code, Some(0..=3)) {
            let said = [said.stdout(), said.stderr()].concat();
            self.wrong
                .push(format!("plan right after it, {code:?}:\n{}", last(&said)));
        }
        // What is still in trouble, and is to stay, is not overlooked.
        let goal = story.goal();
        let stays = |node: &str| {
            let mut shards = goal.iter();
            shards.any(|shard| shard.primary == node || shard.replicas.iter().any(|it| it == node))
        };
        if self.fault.victim(story).is_some_and(stays) && matches!(code, Some(0 | 2)) {
            self.wrong
                .push(format!("plan right after it overlooks the node: {code:?}"));
        }
    }

    /// Applies until there is nothing left to do, or until only a state that has to be left alone is.
    #[track_caller]
    fn mend(&mut self, story: Story, scene: &Scene) {
        let until = Instant::now() + MENDED_WITHIN;
        let mut said = String::new();
        let mut by_hand = "";
        while Instant::now() < until {
            // What a person does: run it again, with the leave that it asked for.
            let given = leave(scene, &said);
            let mut arguments = vec!["apply", "--yes"];
            arguments.extend(given.iter().map(String::as_str));
            let (code, streams) = scene.rcl.run(&arguments).whatever();
            self.mended.push(code.unwrap_or(-1));
            said = [streams.stdout(), streams.stderr()].concat();
            if code == Some(0) && leave(scene, &said).is_subset(&given) {
                self.end = format!("as declared{by_hand}");
                break;
            }
            if scene.settle_doubles(&said) {
                by_hand = ", one of two copies of a key removed by hand";
            }
            if scene.settle_old_keys(&said) {
                by_hand = ", old copies of keys removed by hand";
            }
            // Of a node that the file doesn't name only its lost address is told.
            let lost = ["came back blank", "has no address any more"];
            if self.fault.costs_data() && lost.iter().any(|words| said.contains(words)) {
                self.end = "blocked: the shard is lost".to_owned();
                return;
            }
        }
        if self.end.is_empty() {
            let views = scene.views();
            self.wrong
                .push(format!("never as declared:\n{}\n{views}", last(&said)));
            return;
        }
        let (code, again) = scene.rcl.run(&["plan", "--detailed-exitcode"]).whatever();
        if code != Some(0) {
            self.wrong.push(format!(
                "the plan afterwards is not empty:\n{}",
                again.stdout()
            ));
        }
        // What gossip tells last is looked for a moment longer.
        let objections = wait::within(Duration::from_secs(20), || {
            let objections = scene.objections(story.goal());
            if objections.is_empty() {
                Ok(())
            } else {
                Err(objections)
            }
        });
        self.wrong.extend(objections.err().unwrap_or_default());
        let lost = scene.lost();
        let deleted = scene.deleted_by_the_elected();
        let lost = lost.difference(&deleted).count();
        if lost > 0 && !self.fault.costs_data() {
            self.wrong.push(format!("{lost} keys are lost"));
        }
    }

    /// Who came back blank has lost what only it held, and makes its replicas lose it: that is the servers' doing.
    /// What primaries held, just after it or once the run had ended, is there at the end.
    #[track_caller]
    fn count(&mut self, scene: &Scene, missing: &BTreeSet<usize>) {
        let gone = scene.missing_at_primaries();
        self.lost = gone.len();
        let deleted = scene.deleted_by_the_elected();
        let by_servers: BTreeSet<usize> = missing.union(&deleted).copied().collect();
        let by_rcl = gone.difference(&by_servers).count();
        if by_rcl > 0 {
            self.wrong
                .push(format!("{by_rcl} keys are lost that servers still held"));
        }
    }
}
