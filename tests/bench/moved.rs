//! How slots moved, as a Markdown table.

use std::io::Write;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::moving::Growth;
use crate::table::{machine, ratio, shown};

pub(crate) fn print(arguments: &Arguments, growths: &[Growth]) {
    let what = match (arguments.grow, arguments.delay) {
        (None, _) => "528 empty slots to a 31st primary".to_owned(),
        (Some(keys), None) => format!("3 to 4 primaries, {keys} keys of 100 bytes"),
        (Some(keys), Some(delay)) => format!(
            "3 to 4 primaries, {keys} keys of 100 bytes, round trips of {} ms",
            delay.as_millis()
        ),
    };
    let mut text = format!(
        "\n{}, {what}, medians of {}, {}\n\n| tool | the slots are there | times faster | the tool exits | times faster |",
        arguments.kind.name(),
        arguments.runs,
        machine(),
    );
    let clients = growths.iter().any(|growth| growth.waits.count > 0);
    if clients {
        text.push_str(" a client's p50 | its p99 | its longest wait | its commands |");
    }
    let columns = if clients { 9 } else { 5 };
    text.push_str(&format!("\n{}|\n", "|---".repeat(columns)));
    for growth in growths {
        let first = growths.first().unwrap_or(growth);
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} |",
            growth.who,
            shown(growth.there),
            ratio(first.there, growth.there),
            shown(growth.exit),
            ratio(first.exit, growth.exit),
        ));
        if clients {
            let waits = growth.waits;
            text.push_str(&format!(
                " {} | {} | {} | {} |",
                exact(waits.p50),
                exact(waits.p99),
                exact(waits.longest),
                waits.count
            ));
        }
        text.push('\n');
    }
    // Nobody to tell when even this stream is closed.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Waits are short: 0.1 ms.
fn exact(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
