//! `rcl apply`: shows the plan, asks, does it, and looks again.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::watch;

use crate::apply::{Event, Outcome, Stop, TroubleKind, run as carry_out};
use crate::desired::Desired;
use crate::net::{Connections, ReadOnly};
use crate::observe::{SETTLE_WITHIN, Targets, look_until_linked};
use crate::plan::Plan;
use crate::view::run::journal::{broke_off, not_begun};
use crate::view::run::{Form, progress};
use crate::view::{self, Output};

use super::exit::Exit;
use super::journal::{Journal, Journaled};
use super::load::{Loaded, targets};
use super::plan::{Made, make, make_over, planned, view as plan_view};
use super::saved::{self, Opened};
use super::{Json, Shared, allowed, lock, rights, who};

/// Show the plan, ask, and carry it out
///
/// Only the word yes is taken for a yes. Without a terminal to ask on nothing is done, unless --yes is given. A step
/// counts as done when its effect is seen on the nodes themselves. Ctrl-C: nothing new begins, and what is under way
/// gets a moment to finish; Ctrl-C again stops at once. Whatever was left is done by running it again.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub shared: Shared,
    /// Do it without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Don't watch for a while whether what was removed stays away
    #[arg(long)]
    pub no_wait: bool,
    /// Show every command with its answer
    #[arg(long, short, action = ArgAction::Count)]
    pub verbose: u8,
    /// Append every command and its answer to this file, as lines of JSON
    #[arg(long, value_name = "JOURNAL")]
    pub journal: Option<PathBuf>,
    /// How many pairs of nodes move keys at the same time
    #[arg(long, value_name = "N", default_value_t = AT_ONCE)]
    pub parallelism: NonZeroUsize,
}

/// Pairs that move at once unless one says otherwise.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// Plans, asks, applies, and returns the exit code.
pub async fn run(args: &ApplyArgs, output: &mut Output<'_>) -> Exit {
    let applied = apply(args, output).await;
    applied.unwrap_or_else(|exit| exit)
}

async fn apply(args: &ApplyArgs, output: &mut Output<'_>) -> Result<Exit, Exit> {
    let shared = &args.shared;
    let json = shared.json.then_some(Json::Line);
    let opened = saved::open(shared, json, output)?;
    opened.all_said(&shared.allow, json, output)?;
    let Opened { loaded, allow, .. } = &opened;
    let mut made = make(loaded, allow, output).await?;
    opened.verify(&made, json, output)?;
    let looking = Connections::new(made.keyring.clone());
    ready(args, &loaded.desired, &looking, &mut made).await;
    let shown = plan_view(loaded, &made, shared);
    output.data(&match shared.json {
        true => view::plan::json_line(&shown),
        false => view::plan::human(&shown, output.out.styles),
    });
    // Whoever can't be shown a plan can't agree to it.
    if output.has_failed() {
        return Err(Exit::Error);
    }
    if made.plan.is_empty() {
        return Ok(Exit::of_diff(&made.plan.diff));
    }
    let journal = args.journal.as_deref().map(Journal::open).transpose();
    let journal = journal.map_err(|error| {
        let path = args.journal.as_deref().unwrap_or(Path::new(""));
        let path = path.display().to_string();
        output.talk(&not_begun(&path, &error.to_string()));
        Exit::Error
    })?;
    if !args.yes {
        confirmed(&made.plan, output).await?;
    }
    under_lock(args, &opened, made, journal, output).await
}

/// From here to the end, and not while somebody reads: nobody else applies.
async fn under_lock(
    args: &ApplyArgs,
    opened: &Opened,
    shown: Made,
    journal: Option<Journal>,
    output: &mut Output<'_>,
) -> Result<Exit, Exit> {
    let (shared, verbose) = (&args.shared, args.verbose > 0);
    let Opened { loaded, allow, .. } = opened;
    let me = who::presence();
    let connections = lock::take(me.clone(), &shown, output).await?;
    let targets = shown.targets.clone();
    let mut made = make_over(&connections, targets, loaded, allow, output).await?;
    ready(args, &loaded.desired, &connections, &mut made).await;
    if made.plan.is_empty() && made.plan.diff.is_empty() {
        // A move that the servers carry out by themselves, say, has come to its end meanwhile.
        output.talk("Nothing is left to do: the cluster has become as the file says by itself.\n");
        return Ok(Exit::Fine);
    }
    opened.still_holds(&shown, &made, None, output)?;
    if let Some(journal) = &journal
        && let Err(words) = journal.start(&me, opened, &made.plan)
    {
        output.talk(&not_begun(journal.path(), &words));
        return Err(Exit::Error);
    }
    let form = match shared.json {
        true => Form::Json,
        false => Form::People { commands: verbose },
    };
    let wire = Journaled {
        wire: &connections,
        plan: &made.plan,
        journal: journal.as_ref(),
    };
    let at_once = args.parallelism.get();
    let again = opened.as_said();
    let (outcome, stopped) =
        carry_out_with_signals(&wire, &made, &again, at_once, form, output).await;
    let lost = lock::lost(&connections, &made);
    if !lost.is_empty() && !outcome.is_complete(made.plan.steps.len()) {
        output.talk(&view::lock::lost(&lost, &again));
    }
    let settle = match stopped {
        // What was just sent needs seconds to be known everywhere, and looks like trouble until then.
        Stop::No | Stop::Finish => SETTLE_WITHIN,
        Stop::Now => Duration::ZERO,
    };
    let (ask, mut asked) = watch::channel(Stop::No);
    let looked = tokio::select! {
        exit = finish(opened, &made, shared, &outcome, settle, output) => Some(exit),
        never = watch_signals(ask) => match never {},
        _ = asked.changed() => None,
    };
    let exit = looked.unwrap_or_else(|| {
        output.talk("Stopped before looking at what is left.\n");
        Exit::Error
    });
    if let Some(journal) = &journal
        && let Err(words) = journal.end(exit, &outcome, &made.plan)
    {
        output.talk(&broke_off(journal.path(), &words, &again));
        return Err(Exit::Error);
    }
    Ok(exit)
}

/// The plan as it is to be run, with what rcl's user may not do of it.
async fn ready(args: &ApplyArgs, desired: &Desired, connections: &Connections, made: &mut Made) {
    let Made {
        observed,
        plan,
        targets: _,
        keyring,
    } = made;
    if args.no_wait {
        plan.leave_out_watch();
    }
    rights::check(&ReadOnly(connections), desired, plan, observed, keyring).await;
}

/// Asks; anything but a yes is the end.
async fn confirmed(shown: &Plan, output: &mut Output<'_>) -> Result<(), Exit> {
    if !std::io::stdin().is_terminal() {
        output.talk("error: there is no terminal to ask on. Nothing was done; use --yes to apply without asking.\n");
        return Err(Exit::Blocked);
    }
    // Before the question stands there, so that Ctrl-C is an answer from then on.
    let interrupt = tokio::signal::unix::signal(SignalKind::interrupt()).ok();
    output.talk(&view::plan::question(shown));
    match answer(interrupt).await {
        Some(answer) if answer == "yes" => Ok(()),
        Some(_) => {
            output.talk("Nothing was done: only 'yes' is taken for a yes.\n");
            Err(Exit::Error)
        }
        None => {
            output.talk("\nNothing was done.\n");
            Err(Exit::Error)
        }
    }
}

/// The line that the person typed; nothing for Ctrl-C and for the end of the input.
async fn answer(mut interrupt: Option<Signal>) -> Option<String> {
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own: reading a terminal can't be called off, and must not keep rcl from ending.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        let _ = tell.send(read.ok().filter(|length| *length > 0).map(|_| line));
    });
    let interrupted = async {
        match &mut interrupt {
            Some(signal) => signal.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        line = told => line.ok().flatten().map(|line| line.trim_end_matches(['\r', '\n']).to_owned()),
        _ = interrupted => None,
    }
}

/// Runs the steps; the first signal asks for an orderly stop, the second ends at once. So does, in an
/// orderly way, a connection that breaks off.
async fn carry_out_with_signals(
    wire: &Journaled<'_, Connections>,
    made: &Made,
    file: &str,
    at_once: usize,
    form: Form,
    output: &mut Output<'_>,
) -> (Outcome, Stop) {
    let (ask, asked) = watch::channel(Stop::No);
    let stop = asked.clone();
    let mut shown = progress(output, form);
    shown.begin(&made.plan);
    let tell = |event: Event| {
        if let (Some(journal), Event::Ended { step, end }) = (wire.journal, &event) {
            journal.step_ended(*step, end, &made.plan);
        }
        shown.event(&made.plan, &event);
    };
    let (plan, observed) = (&made.plan, &made.observed);
    let work = carry_out(wire, plan, observed, asked, at_once, tell);
    let outcome = tokio::select! {
        outcome = work => outcome,
        never = watch_signals(ask.clone()) => match never {},
        never = watch_own(wire, ask) => match never {},
    };
    shown.end(&made.plan, &outcome, file);
    (outcome, *stop.borrow())
}

/// Nothing new begins once the lock is no longer whole, or the journal can't be written.
async fn watch_own(
    wire: &Journaled<'_, Connections>,
    ask: watch::Sender<Stop>,
) -> std::convert::Infallible {
    let unwritten = async {
        match wire.journal {
            Some(journal) => journal.until_failed().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wire.wire.until_lost() => {}
        () = unwritten => {}
    }
    ask.send_modify(|stop| *stop = Stop::Finish.max(*stop));
    std::future::pending().await
}

async fn watch_signals(ask: watch::Sender<Stop>) -> std::convert::Infallible {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let [interrupt, terminate, hangup] = kinds.map(|kind| tokio::signal::unix::signal(kind).ok());
    let next = |mut signal: Option<Signal>| {
        let ask = ask.clone();
        async move {
            while let Some(signal) = &mut signal {
                if signal.recv().await.is_none() {
                    break;
                }
                ask.send_modify(|stop| {
                    *stop = if *stop == Stop::No {
                        Stop::Finish
                    } else {
                        Stop::Now
                    }
                });
            }
            std::future::pending::<std::convert::Infallible>().await
        }
    };
    tokio::select! {
        never = next(interrupt) => never,
        never = next(terminate) => never,
        never = next(hangup) => never,
    }
}

/// Looks again and says what the run came to and what is left.
async fn finish(
    opened: &Opened,
    made: &Made,
    shared: &Shared,
    outcome: &Outcome,
    settle: Duration,
    output: &mut Output<'_>,
) -> Exit {
    let Opened { loaded, allow, .. } = opened;
    let targets = targets(&loaded.desired).await;
    let connections = Connections::new(loaded.keyring(&targets));
    let observed = look_until_linked(&ReadOnly(&connections), &targets, settle).await;
    let allowed = allowed(allow, &loaded.desired).unwrap_or_default();
    let left = match planned(&loaded.desired, &observed, &allowed, output) {
        Ok(left) => left,
        Err(exit) => return exit,
    };
    let left_over = match shared.json {
        true => view::drift::json(
            &loaded.name,
            &loaded.desired.cluster,
            &left.diff,
            &BTreeSet::new(),
        ),
        false => view::drift::left(&loaded.name, &left.diff, output.out.styles),
    };
    if !left.diff.is_empty() && !shared.json {
        output.data(match settle.is_zero() {
            true => "The cluster is not as the file says yet (seen at once; some of it may pass by itself):\n",
            false => "The cluster is not as the file says yet:\n",
        });
    }
    if !left_over.is_empty() {
        output.data(&left_over);
    }
    let pending = left.diff.blocked.is_empty() && !left.steps.is_empty();
    if pending && !shared.json && outcome.is_complete(made.plan.steps.len()) {
        let again = opened.as_said();
        output.data(&format!(
            "Run `rcl apply {again}` once more: what this run has finished comes first.\n"
        ));
    }
    let exit = exit(&made.plan, outcome, &left);
    if exit == Exit::Fine && !shared.json && output.err.terminal {
        output.talk(&how_to_pin(loaded, made, &targets));
    }
    exit
}

/// Said once, when a new cluster was formed: from then on its nodes have ids that a file can hold.
fn how_to_pin(loaded: &Loaded, made: &Made, targets: &Targets) -> String {
    let mut nodes = loaded.desired.nodes.values();
    if !made.plan.diff.pairing.forming || nodes.any(|node| node.id.is_some()) {
        return String::new();
    }
    let mut addresses = targets.nodes.values().flatten().flatten();
    let Some(address) = addresses.next() else {
        return String::new();
    };
    format!(
        "`rcl export --pin-ids {address}` prints the file with the ids of these nodes, so that no others are taken for them.\n"
    )
}

fn exit(plan: &Plan, outcome: &Outcome, left: &Plan) -> Exit {
    if let Some((_, trouble)) = outcome.first_trouble() {
        return match trouble.kind {
            TroubleKind::GuardBroken | TroubleKind::Keys => Exit::Blocked,
            TroubleKind::Refused
            | TroubleKind::NoAnswer
            | TroubleKind::Deadline { .. }
            | TroubleKind::Interrupted => Exit::Error,
        };
    }
    if !outcome.is_complete(plan.steps.len()) {
        return Exit::Error;
    }
    match Exit::of_diff(&left.diff) {
        // Everything was done and seen, and yet something differs again.
        Exit::Pending => Exit::Error,
        exit @ (Exit::Fine | Exit::Error | Exit::Blocked | Exit::Held | Exit::Usage) => exit,
    }
}
