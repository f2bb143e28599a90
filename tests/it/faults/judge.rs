//! What must hold of a disturbed run, whatever the fault.

use std::time::Duration;

use super::cast::Part;
use super::fault::Fault;
use super::row::Row;
use super::story::{Scene, Story};

/// What is under way gets 10 seconds, and so does the last look; the rest is for a busy machine.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// A node that says nothing holds a step until its deadline, an attach at most (30 s), and then comes the last look.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Each round trip takes 120 ms more, and moving a slot takes some of them. And a giver that hears nothing from the
/// taker is given a second for each window of slots.
const SLOWLY_ENDS_WITHIN: Duration = Duration::from_secs(240);

/// What a person can do next.
const WAYS_ON: [&str; 5] = ["→ ", "run `rcl ", "Run `rcl ", "run it again", "--allow"];

/// Everything that is wrong with how it ended.
pub(super) fn objections(row: &Row, story: Story, scene: &Scene, said: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if said.contains("panicked") || said.contains("breaks its own rules") {
        wrong.push(format!("rcl is at fault:\n{}", last(said)));
    }
    let limit = match row.fault {
        Fault::RclKilled | Fault::RclStopped(_) => STOPPED_WITHIN,
        Fault::Killed(_)
        | Fault::Paused(_)
        | Fault::Restarted(_)
        | Fault::Blank(_)
        | Fault::Cut(_)
        | Fault::FailedOver => ENDS_WITHIN,
        Fault::Slow(_) | Fault::Parted => SLOWLY_ENDS_WITHIN,
    };
    if row.took > limit {
        wrong.push(format!("it took {:.1?}:\n{}", row.took, last(said)));
    }
    let fitting = fitting(row.fault, story);
    if !row.code.is_some_and(|code| fitting.contains(&code)) {
        let code = row.code;
        wrong.push(format!(
            "exit code {code:?}, none of {fitting:?}:\n{}",
            last(said)
        ));
    }
    if !agrees(row.code, row.fault, said) {
        wrong.push(format!(
            "exit code {:?} doesn't go with its words:\n{}",
            row.code,
            last(said)
        ));
    }
    if row.code != Some(0) {
        wrong.extend(unhelpful(row.fault, story, scene, said));
    }
    wrong
}

/// The exit codes that a run with this fault may have.
fn fitting(fault: Fault, story: Story) -> &'static [i32] {
    match fault {
        Fault::RclKilled => &[],
        // It came too late, or the run was interrupted.
        Fault::RclStopped(_) => &[0, 1],
        Fault::Slow(_) => &[0],
        // Who is gone when rcl looks for the last time is told of, unless it has left by then.
        Fault::Killed(part) | Fault::Paused(part) | Fault::Cut(part) => match (story, part) {
            (Story::Shrink, Part::Giver) => &[0, 1, 3],
            (Story::Form | Story::Grow | Story::Move | Story::FailBack, Part::Giver)
            | (_, Part::Taker | Part::Bystander) => &[1, 3],
        },
        Fault::Restarted(_) | Fault::Blank(_) | Fault::Parted | Fault::FailedOver => &[0, 1, 3],
    }
}

/// Whether the text says what the code says.
fn agrees(code: Option<i32>, fault: Fault, said: &str) -> bool {
    let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
    match (code, fault) {
        (Some(0), _) => says(&["Apply complete!", "No changes.", "Nothing is left to do"]),
        (Some(1), Fault::RclStopped(_)) => {
            says(&["Apply interrupted", "Stopped before", "Nothing was done"])
        }
        (Some(1), _) => says(&[
            "error: ",
            "Apply stopped at step",
            "not as the file says yet",
        ]),
        (Some(3), _) => says(&[
            "has changed since the plan was ",
            "! ",
            "blocked: ",
            "does not answer",
            "not as the file says yet",
            "things have changed",
        ]),
        _ => true,
    }
}

/// What is missing of: the node or the step, the server's words, what to do next.
fn unhelpful(fault: Fault, story: Story, scene: &Scene, said: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    // What the file doesn't name is called by its address.
    let named =
        |node: &str| said.contains(node) || said.contains(&scene.servers.address(node).to_string());
    match fault.victim(story) {
        Some(node) if !named(node) => {
            wrong.push(format!("{node} is not named:\n{}", last(said)));
        }
        None if !said.contains("at step ")
            && !said.contains("[")
            && !scene.servers.names().iter().any(|name| named(name)) =>
        {
            wrong.push(format!("neither node nor step is named:\n{}", last(said)));
        }
        Some(_) | None => {}
    }
    let lines: Vec<&str> = said.lines().collect();
    let silent = lines.iter().enumerate().any(|(place, line)| {
        let answered = ["a server refused a command", "a command got no answer"];
        // The lines of the end, each followed by the command and what came back.
        line.starts_with("! ")
            && answered.iter().any(|words| line.contains(words))
            && !lines.get(place + 1).is_some_and(|next| next.contains("> "))
    });
    if silent {
        wrong.push(format!("the server's words are missing:\n{}", last(said)));
    }
    if !WAYS_ON.iter().any(|way| said.contains(way)) {
        wrong.push(format!("what to do next is missing:\n{}", last(said)));
    }
    wrong
}

/// The end of a long text.
pub(super) fn last(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
