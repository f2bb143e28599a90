//! What a classic move sends, and when it gives up.

use super::*;
use crate::base::Address;
use crate::net::ABREAST;
use crate::plan::Engine;

fn transfer(open: &str) -> Transfer {
    let id = |digit: &str| digit.repeat(40).parse().unwrap();
    let address: Address = "127.0.0.1:7001".parse().unwrap();
    Transfer {
        source: id("a"),
        target: id("b"),
        address,
        login: None,
        slots: "0-39".parse().unwrap(),
        open: open.parse().unwrap_or_default(),
        torn: SlotSet::new(),
        engine: Engine::Atomic,
    }
}

fn bounds() -> Bounds {
    Bounds {
        batch: 100,
        bytes: 1 << 20,
        pause: Duration::ZERO,
        limit: Duration::from_millis(2500),
        waits: false,
    }
}

fn commands(todo: Result<Todo, Failure>) -> Vec<Command> {
    match todo.unwrap() {
        Todo::Call { commands, .. } => commands,
        other @ (Todo::Wait(_) | Todo::Repeat { .. } | Todo::Done) => {
            panic!("{other:?}")
        }
    }
}

/// Up to the first MIGRATE; one key in every slot.
fn sending(classic: &mut Classic<'_>) -> Vec<Command> {
    let mut asked = commands(classic.next(&[]));
    for reply in [
        Reply::Integer(0),
        Reply::Text("OK".to_owned()),
        Reply::Text("OK".to_owned()),
        Reply::List(vec![Reply::Bytes(b"key".to_vec())]),
        Reply::Integer(50),
    ] {
        let replies = vec![reply; asked.len()];
        asked = commands(classic.next(&replies));
    }
    asked
}

fn limit_of(command: &Command) -> u64 {
    let text = command.to_string();
    let word = text.split(' ').nth(5);
    word.and_then(|word| word.parse().ok()).unwrap()
}

#[test]
fn a_hung_target_holds_the_source_up_for_no_longer_than_the_limit() {
    let transfer = transfer("");
    let mut classic = Classic::new(&transfer, bounds(), 1);
    let mut sent = sending(&mut classic);
    for _ in 0..8 {
        assert!(!sent.is_empty());
        assert!(sent.iter().map(limit_of).sum::<u64>() <= 2500, "{sent:?}");
        let words = "IOERR error or timeout reading to target instance".to_owned();
        let replies = vec![Reply::Error(words); sent.len()];
        let mut next = classic.next(&replies);
        if let Ok(Todo::Wait(_)) = next {
            next = classic.next(&[]);
        }
        match next {
            Ok(Todo::Call { commands, .. }) => sent = commands,
            Ok(other) => panic!("{other:?}"),
            Err(_) => return,
        }
    }
    panic!("it goes on for ever");
}

#[test]
fn of_two_lanes_each_takes_half_of_the_limit_or_has_the_source_for_itself() {
    let transfer = transfer("");
    let mut classic = Classic::new(&transfer, bounds(), 2);
    let sent = sending(&mut classic);
    assert_eq!(sent.iter().map(limit_of).sum::<u64>(), 1248, "{sent:?}");
    assert_eq!(classic.turn(), Turn::Shared);
    let words = "IOERR error or timeout reading to target instance".to_owned();
    let replies = vec![Reply::Error(words); sent.len()];
    assert!(matches!(classic.next(&replies), Ok(Todo::Wait(_))));
    let mut again = commands(classic.next(&[]));
    while classic.turn() != Turn::Alone {
        let replies = match again[0].moves() {
            true => vec![Reply::ok(); again.len()],
            false => vec![Reply::Integer(50); again.len()],
        };
        again = commands(classic.next(&replies));
    }
    assert_eq!(again.iter().map(limit_of).collect::<Vec<_>>(), [2500]);
}

#[test]
fn what_broke_off_goes_again_with_the_whole_limit() {
    let transfer = Transfer {
        slots: "0-1".parse().unwrap(),
        ..transfer("")
    };
    let mut classic = Classic::new(&transfer, bounds(), 1);
    let sent = sending(&mut classic);
    assert_eq!(sent.iter().map(limit_of).collect::<Vec<_>>(), [1250, 1250]);
    let replies = [
        Reply::Error("IOERR error or timeout reading to target instance".to_owned()),
        Reply::Text("OK".to_owned()),
    ];
    assert!(matches!(classic.next(&replies), Ok(Todo::Wait(_))));
    let again = commands(classic.next(&[]));
    assert_eq!(again.iter().map(limit_of).collect::<Vec<_>>(), [2500]);
    assert!(again[0].to_string().contains("REPLACE"), "{again:?}");
}

/// Answers with as many keys in each slot, up to the question for their sizes.
fn listed(classic: &mut Classic<'_>, asked: &[Command], keys: usize) -> Vec<Command> {
    let each = (0..keys).map(|number| Reply::Text(format!("key{number}")));
    let keys = Reply::List(each.collect());
    commands(classic.next(&vec![keys; asked.len()]))
}

/// Opens a window, up to the first listing.
fn listing(classic: &mut Classic<'_>) -> Vec<Command> {
    let mut asked = commands(classic.next(&[]));
    for reply in [Reply::Integer(0), Reply::ok(), Reply::ok()] {
        asked = commands(classic.next(&vec![reply; asked.len()]));
    }
    asked
}

fn keys_of(command: &Command) -> usize {
    let text = command.to_string();
    let (_, keys) = text.split_once(" KEYS ").unwrap();
    keys.split(' ').count()
}

fn sizes(count: usize, big: Option<usize>) -> Vec<Reply> {
    let size = |place| if Some(place) == big { 5 << 20 } else { 60 };
    (0..count)
        .map(|place| Reply::Integer(size(place)))
        .collect()
}

#[test]
fn a_big_key_goes_alone() {
    let transfer = transfer("");
    let mut classic = Classic::new(&transfer, bounds(), 1);
    let asked = listing(&mut classic);
    assert_eq!(asked.len(), 5, "as many slots as make up 500 keys");
    let asked = listed(&mut classic, &asked, 30);
    assert_eq!(asked.len(), 150, "the size of each key");
    let mut sent = commands(classic.next(&sizes(150, Some(10))));
    let mut batches = Vec::new();
    while sent[0].moves() {
        batches.push(sent.iter().map(keys_of).collect::<Vec<_>>());
        sent = commands(classic.next(&vec![Reply::ok(); sent.len()]));
    }
    assert_eq!(batches, [vec![10], vec![1], vec![19, 30, 30], vec![30, 30]]);
}

/// A window of slots of 100 keys: 500 sizes, and then one in 16, until one of these is big.
#[test]
fn few_sizes_are_asked_of_small_keys() {
    let transfer = transfer("");
    let mut classic = Classic::new(&transfer, bounds(), 1);
    let asked = listing(&mut classic);
    let asked = listed(&mut classic, &asked, 99);
    assert_eq!(asked.len(), 5 * 99);
    let mut sent = commands(classic.next(&sizes(5 * 99, None)));
    while sent[0].moves() {
        sent = commands(classic.next(&vec![Reply::ok(); sent.len()]));
    }
    // Not known well enough yet: five slots more.
    let asked = listed(&mut classic, &sent, 99);
    assert_eq!(asked.len(), 5 * 99);
    let mut sent = commands(classic.next(&sizes(5 * 99, None)));
    while sent[0].moves() {
        sent = commands(classic.next(&vec![Reply::ok(); sent.len()]));
    }
    assert_eq!(sent.len(), 22, "all slots that are left");
    let asked = listed(&mut classic, &sent, 99);
    assert_eq!(asked.len(), 22 * 7);
    // One of them is big: what was listed with it is suspect.
    let asked = commands(classic.next(&sizes(22 * 7, Some(3))));
    assert_eq!(asked.len(), 22 * 99);
}

/// A big key that nobody has asked for makes its batch break off.
#[test]
fn what_broke_off_is_measured_and_cut() {
    let transfer = transfer("");
    let mut classic = Classic::new(&transfer, bounds(), 1);
    classic.sizes.add_many(500, 60);
    let asked = listing(&mut classic);
    let asked = listed(&mut classic, &asked, 30);
    assert_eq!(asked.len(), 32 * 2, "one in 16");
    let sent = commands(classic.next(&sizes(64, None)));
    assert_eq!(sent.iter().map(keys_of).collect::<Vec<_>>(), [30, 30, 30]);
    let words = "IOERR error or timeout reading to target instance".to_owned();
    let replies = [Reply::Error(words), Reply::ok(), Reply::ok()];
    assert!(matches!(classic.next(&replies), Ok(Todo::Wait(_))));
    let mut sent = commands(classic.next(&[]));
    while sent[0].moves() {
        sent = commands(classic.next(&vec![Reply::ok(); sent.len()]));
    }
    assert_eq!(sent.len(), 30, "the sizes of the batch that broke off");
    let again = commands(classic.next(&sizes(30, Some(10))));
    assert_eq!(again.len(), 1);
    assert!(again[0].to_string().contains("REPLACE"), "{again:?}");
    assert_eq!((keys_of(&again[0]), limit_of(&again[0])), (10, 2500));
}

/// An earlier run that lost a mark and set it again leaves the same marks as one that was killed.
#[test]
fn no_value_replaces_another_in_slots_that_an_earlier_run_opened() {
    let transfer = transfer("0-39");
    let mut classic = Classic::new(&transfer, bounds(), 1);
    let sent = sending(&mut classic);
    let words = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    let replies = vec![Reply::Error(words.to_owned()); sent.len()];
    assert!(classic.next(&replies).is_err());
}

/// The owner of torn slots is told again with each window: not of those that the target owns by then.
#[test]
fn what_has_gone_is_not_given_back() {
    let transfer = Transfer {
        torn: "0-39".parse().unwrap(),
        ..transfer("")
    };
    let mut classic = Classic::new(&transfer, bounds(), 1);
    classic.open_window();
    assert_eq!((classic.window.len(), classic.owner().len()), (WINDOW, 40));
    classic.moved = classic.open();
    classic.window.clear();
    classic.open_window();
    let told: Vec<String> = classic.owner().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 40 - WINDOW, "{told:?}");
    assert!(told[0].starts_with("CLUSTER SETSLOT 32 NODE "), "{told:?}");
}

#[test]
fn marks_that_replicas_are_late_to_hear_of_are_set_again() {
    let transfer = transfer("");
    let mut classic = Classic::new(&transfer, bounds(), 1);
    let asked = commands(classic.next(&[]));
    let marks = commands(classic.next(&vec![Reply::Integer(0); asked.len()]));
    let late = || Reply::Error("NOREPLICAS Not enough good replicas to write.".to_owned());
    let mut replies = vec![Reply::Text("OK".to_owned()); marks.len()];
    replies[3] = late();
    for _ in 0..TRIES {
        let again = Todo::Repeat {
            after: BREATH,
            node: transfer.target,
            commands: marks.clone(),
        };
        assert_eq!(classic.next(&replies).unwrap(), again);
    }
    let refused = classic.next(&replies).unwrap_err();
    assert!(format!("{refused:?}").contains("NOREPLICAS"), "{refused:?}");
}

/// The first slot brings the new epoch and the last one tells everybody; between them nobody is told of each.
#[test]
fn of_a_window_two_slots_are_taken_over_with_their_marks() {
    for (slots, waits, wanted) in [
        ("5", false, "5"),
        ("5-6", false, "5 6"),
        ("5-8", false, "5 -6 6 -7 7 8"),
        ("5-8", true, "5 6 7 8"),
    ] {
        let transfer = transfer("");
        let bounds = Bounds { waits, ..bounds() };
        let classic = Classic::new(&transfer, bounds, 1);
        let slots: SlotSet = slots.parse().unwrap();
        let sent = classic.takes(&slots.iter().collect::<Vec<_>>());
        let sent: Vec<String> = sent
            .iter()
            .map(|command| {
                let text = command.to_string();
                let slot = text.split(' ').nth(2).unwrap().to_owned();
                match command.gives_owner() {
                    true => slot,
                    false => format!("-{slot}"),
                }
            })
            .collect();
        assert_eq!(sent.join(" "), wanted);
    }
}

/// Where replicas take over before their primary no others go meanwhile, and no more at once than it waits for together.
#[test]
fn where_replicas_are_waited_for_few_slots_are_taken_over_at_once() {
    let transfer = transfer("");
    let bounds = Bounds {
        waits: true,
        ..bounds()
    };
    let mut classic = Classic::new(&transfer, bounds, 2);
    classic.open_window();
    let window = classic.window.clone();
    let mut sent = commands(Ok(classic.take(window)));
    let mut rounds = Vec::new();
    while sent.iter().all(Command::gives_owner) && classic.turn() == Turn::Takes {
        rounds.push(sent.len());
        let asked = commands(classic.next(&vec![Reply::ok(); sent.len()]));
        assert_eq!(asked[0].to_string(), "CLUSTER NODES");
        assert_eq!(classic.turn(), Turn::Takes);
        // It owns nothing any more.
        let line = format!(
            "{} 127.0.0.1:7000@17000 myself,master - 0 0 1 connected\n",
            transfer.source
        );
        sent = commands(classic.next(&[Reply::Text(line)]));
    }
    assert_eq!(rounds, [ABREAST, ABREAST]);
    assert_eq!((sent.len(), classic.turn()), (WINDOW, Turn::Shared));
}
