//! One story with one fault at one moment: how rcl ended, and what the next applies made of it.

use std::fmt;
use std::time::{Duration, Instant};

use crate::support::rcl::Streams;
use crate::support::{ServerKind, wait};

use super::fault::Fault;
use super::peer;
use super::story::{Scene, Story};

/// Enough for elections and for everything that is waited for inside; a row never needs it all.
const MENDED_WITHIN: Duration = Duration::from_secs(100);

/// After which part of the lines that an undisturbed run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(usize);

impl Moment {
    const PARTS: usize = 16;

    pub(super) const ALL: [Self; 4] = [Self(1), Self(6), Self(10), Self(15)];

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
        let code = self
            .code
            .map_or("killed".to_owned(), |code| code.to_string());
        write!(
            f,
            "{}, at {} %: {code} after {:.1?}, then {}: {}, {} keys lost",
            self.fault.name(),
            self.moment.percent(),
            self.took,
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
    assert_eq!(scene.lost(), 0);
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
    let mut row = Row {
        fault,
        moment,
        code: None,
        took: Duration::ZERO,
        mended: Vec::new(),
        end: String::new(),
        lost: 0,
        peer: None,
        wrong: Vec::new(),
    };
    fault.strike(story, &mut scene.servers);
    if fault == Fault::RclKilled {
        apply.kill();
    } else {
        if let Fault::RclStopped(signal) = fault {
            apply.signal(signal);
        }
        let (code, said) = apply.end().whatever();
        row.took = began.elapsed();
        row.code = code;
        row.judge_end(story, &scene, &[said.stdout(), said.stderr()].concat());
    }
    fault.mend(story, &mut scene.servers);
    row.mend(story, &scene);
    row
}

/// What a person does: run it again, with the leave that it asked for.
#[track_caller]
fn again(scene: &Scene, said: &str) -> (Option<i32>, Streams) {
    let mut leave = scene.leave();
    let asked = said.split("--allow ").skip(1);
    let flags = asked.filter_map(|rest| rest.split_whitespace().next());
    // What a fault has left of a member has to be forgotten; nothing else is given leave to.
    let forget = flags.filter(|flag| flag.starts_with("forget=") || flag.starts_with("remove="));
    leave.extend(forget.map(|flag| format!("--allow={}", flag.trim_end_matches(['.', ',']))));
    let mut arguments = vec!["apply", "--yes"];
    arguments.extend(leave.iter().map(String::as_str));
    scene.rcl.run(&arguments).whatever()
}

/// The end of a long text.
fn last(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl Row {
    /// The exit codes of the applies afterwards, the last one and how many there were.
    fn applies(&self) -> String {
        let last = self.mended.last().map_or("none".to_owned(), i32::to_string);
        format!("{last} at apply {}", self.mended.len())
    }

    fn judge_end(&mut self, story: Story, scene: &Scene, said: &str) {
        if !matches!(self.code, Some(0 | 1 | 3)) {
            self.wrong.push(format!("exit code {:?}", self.code));
        }
        if said.contains("panicked") || said.contains("breaks its own rules") {
            self.wrong.push(format!("rcl is at fault:\n{}", last(said)));
        }
        // What the file doesn't name is called by its address.
        let named = |node: &str| {
            said.contains(node) || said.contains(&scene.servers.address(node).to_string())
        };
        let unnamed = self.fault.victim(story).filter(|node| !named(node));
        if let Some(node) = unnamed.filter(|_| self.code != Some(0)) {
            self.wrong
                .push(format!("{node} is not named:\n{}", last(said)));
        }
    }

    /// Applies until there is nothing left to do, or until only a state that has to be left alone is.
    #[track_caller]
    fn mend(&mut self, story: Story, scene: &Scene) {
        let until = Instant::now() + MENDED_WITHIN;
        let mut said = String::new();
        while Instant::now() < until {
            let (code, streams) = again(scene, &said);
            self.mended.push(code.unwrap_or(-1));
            said = [streams.stdout(), streams.stderr()].concat();
            if code == Some(0) {
                self.end = "as declared".to_owned();
                break;
            }
            if self.fault.costs_data() && said.contains("came back") {
                self.end = "blocked: the shard is lost".to_owned();
                return;
            }
        }
        if self.end.is_empty() {
            self.wrong
                .push(format!("never as declared:\n{}", last(&said)));
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
        self.lost = scene.lost();
        if self.lost > 0 && !self.fault.costs_data() {
            self.wrong.push(format!("{} keys are lost", self.lost));
        }
    }
}
