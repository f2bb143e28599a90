//! `rcl apply`: shows the plan, asks, does it, and looks again.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::watch;

use crate::apply::{Outcome, Stop, TroubleKind, run as carry_out};
use crate::net::{Connections, ReadOnly};
use crate::observe::{SETTLE_WITHIN, look_until_linked};
use crate::plan::Plan;
use crate::view::run::{Form, progress};
use crate::view::{self, Output};

use super::exit::Exit;
use super::load::{Loaded, load, targets};
use super::plan::{Made, make, planned, view as plan_view};
use super::{Json, Shared, allowed, fail_as, rights};

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
    #[arg(long, short)]
    pub verbose: bool,
    /// How many pairs of nodes move slots at the same time
    #[arg(long, value_name = "N", default_value_t = AT_ONCE)]
    pub parallelism: NonZeroUsize,
}

/// Pairs that move at once unless one says otherwise.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// Plans, asks, applies, and returns the exit code.
pub async fn run(args: &ApplyArgs, verbose: bool, output: &mut Output<'_>) -> Exit {
    let shared = &args.shared;
    let loaded = match load(&shared.file) {
        Ok(loaded) => loaded,
        Err(error) => return fail_as(shared.json.then_some(Json::Line), output, &error),
    };
    let made = match make_allowed(args, &loaded, output).await {
        Ok(made) => made,
        Err(exit) => return exit,
    };
    let shown = plan_view(&loaded, &made, shared);
    output.data(&match shared.json {
        true => view::plan::json_line(&shown),
        false => view::plan::human(&shown, output.out.styles),
    });
    if made.plan.is_empty() {
        return Exit::of_diff(&made.plan.diff);
    }
    let made = if args.yes {
        made
    } else {
        match confirmed(&loaded, made, args, output).await {
            Ok(made) => made,
            Err(exit) => return exit,
        }
    };
    let form = if shared.json {
        Form::Json
    } else {
        Form::People { commands: verbose }
    };
    let at_once = args.parallelism.get();
    let (outcome, stopped) =
        carry_out_with_signals(&made, &loaded.name, at_once, form, output).await;
    let settle = match stopped {
        // What was just sent needs seconds to be known everywhere, and looks like trouble until then.
        Stop::No | Stop::Finish => SETTLE_WITHIN,
        Stop::Now => Duration::ZERO,
    };
    let (ask, mut asked) = watch::channel(Stop::No);
    let looked = tokio::select! {
        exit = finish(&loaded, &made, shared, &outcome, settle, output) => Some(exit),
        never = watch_signals(ask) => match never {},
        _ = asked.changed() => None,
    };
    looked.unwrap_or_else(|| {
        output.talk("Stopped before looking at what is left.\n");
        Exit::Error
    })
}

/// The plan as it is to be run, with what rcl's user may not do of it.
async fn make_allowed(
    args: &ApplyArgs,
    loaded: &Loaded,
    output: &mut Output<'_>,
) -> Result<Made, Exit> {
    let mut made = make(loaded, &args.shared.allow, output).await?;
    if args.no_wait {
        made.plan = made.plan.without_watch();
    }
    let connections = Connections::new(made.keyring.clone());
    rights::check(
        &ReadOnly(&connections),
        &mut made.plan,
        &made.observed,
        &made.keyring,
    )
    .await;
    Ok(made)
}

/// Asks, and makes sure that the plan that was read is still the plan.
async fn confirmed(
    loaded: &Loaded,
    shown: Made,
    args: &ApplyArgs,
    output: &mut Output<'_>,
) -> Result<Made, Exit> {
    if !std::io::stdin().is_terminal() {
        output.talk("error: there is no terminal to ask on. Nothing was done; use --yes to apply without asking.\n");
        return Err(Exit::Blocked);
    }
    // Before the question stands there, so that Ctrl-C is an answer from then on.
    let interrupt = tokio::signal::unix::signal(SignalKind::interrupt()).ok();
    output.talk(&view::plan::question(&shown.plan));
    match answer(interrupt).await {
        Some(answer) if answer == "yes" => {}
        Some(_) => {
            output.talk("Nothing was done: only 'yes' is taken for a yes.\n");
            return Err(Exit::Error);
        }
        None => {
            output.talk("\nNothing was done.\n");
            return Err(Exit::Error);
        }
    }
    let made = make_allowed(args, loaded, output).await?;
    if !made.plan.does_the_same(&shown.plan) {
        output.talk(&format!(
            "error: the cluster has changed since the plan was shown. Nothing was done; run `rcl apply {}` again to see the new plan.\n",
            loaded.name
        ));
        return Err(Exit::Blocked);
    }
    Ok(made)
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

/// Runs the steps; the first signal asks for an orderly stop, the second ends at once.
async fn carry_out_with_signals(
    made: &Made,
    file: &str,
    at_once: usize,
    form: Form,
    output: &mut Output<'_>,
) -> (Outcome, Stop) {
    let connections = Connections::new(made.keyring.clone());
    let (ask, asked) = watch::channel(Stop::No);
    let stop = asked.clone();
    let mut shown = progress(output, form);
    shown.begin(&made.plan);
    let tell = |event| shown.event(&made.plan, &event);
    let (plan, observed) = (&made.plan, &made.observed);
    let work = carry_out(&connections, plan, observed, asked, at_once, tell);
    let outcome = tokio::select! {
        outcome = work => outcome,
        never = watch_signals(ask) => match never {},
    };
    shown.end(&made.plan, &outcome, file);
    (outcome, *stop.borrow())
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
    loaded: &Loaded,
    made: &Made,
    shared: &Shared,
    outcome: &Outcome,
    settle: Duration,
    output: &mut Output<'_>,
) -> Exit {
    let targets = targets(&loaded.desired).await;
    let connections = Connections::new(loaded.keyring(&targets));
    let observed = look_until_linked(&ReadOnly(&connections), &targets, settle).await;
    let allowed = allowed(&shared.allow, &loaded.desired).unwrap_or_default();
    let left = match planned(&loaded.desired, &observed, &allowed, output) {
        Ok(left) => left,
        Err(exit) => return exit,
    };
    let left_over = match shared.json {
        true => view::drift::json(&loaded.name, &loaded.desired.cluster, &left.diff),
        false => view::drift::left(&loaded.name, &left.diff, output.out.styles),
    };
    if !left.diff.is_empty() && !shared.json {
        output.data("The cluster is not as the file says yet:\n");
    }
    if !left.diff.is_empty() || shared.json {
        output.data(&left_over);
    }
    exit(&made.plan, outcome, &left)
}

fn exit(plan: &Plan, outcome: &Outcome, left: &Plan) -> Exit {
    if let Some((_, trouble)) = outcome.first_trouble() {
        return match trouble.kind {
            TroubleKind::GuardBroken => Exit::Blocked,
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
