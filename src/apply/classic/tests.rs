//! What a classic move sends, and when it gives up.

use super::*;
use crate::base::Address;
use crate::plan::Engine;

fn transfer(open: &str) -> Transfer {
    let id = |digit: &str| digit.repeat(40).parse().unwrap();
    let address: Address = "127.0.0.1:7001".parse().unwrap();
    Transfer {
        source: id("a"),
        target: id("b"),
        address,
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
    let mut classic = Classic::new(&transfer, bounds());
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
fn what_broke_off_goes_again_with_the_whole_limit() {
    let transfer = Transfer {
        slots: "0-1".parse().unwrap(),
        ..transfer("")
    };
    let mut classic = Classic::new(&transfer, bounds());
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

/// An earlier run that lost a mark and set it again leaves the same marks as one that was killed.
#[test]
fn no_value_replaces_another_in_slots_that_an_earlier_run_opened() {
    let transfer = transfer("0-39");
    let mut classic = Classic::new(&transfer, bounds());
    let sent = sending(&mut classic);
    let words = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    let replies = vec![Reply::Error(words.to_owned()); sent.len()];
    assert!(classic.next(&replies).is_err());
}
