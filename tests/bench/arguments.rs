//! What to measure, from the command line.

use std::time::Duration;

use crate::contest::Tool;
use crate::support::ServerKind;

pub(crate) struct Arguments {
    pub(crate) kind: ServerKind,
    pub(crate) runs: u32,
    pub(crate) roles: bool,
    pub(crate) tools: Vec<Tool>,
    pub(crate) sizes: Vec<u16>,
    /// Keys of a cluster that grows; none when that isn't measured.
    pub(crate) grow: Option<usize>,
    /// What a round trip takes more, while it grows.
    pub(crate) delay: Option<Duration>,
    /// Pace by pace instead of tool by tool.
    pub(crate) paces: bool,
    /// Empty slots to a 31st primary instead.
    pub(crate) empty: bool,
}

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut arguments = Self {
            kind: ServerKind::Redis70,
            runs: 1,
            roles: false,
            tools: vec![Tool::RedisCli, Tool::Rcl],
            sizes: Vec::new(),
            grow: None,
            delay: None,
            paces: false,
            empty: false,
        };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word {
                // cargo says this to every benchmark.
                "--bench" => {}
                "--roles" => arguments.roles = true,
                "--paces" => arguments.paces = true,
                "--empty" => arguments.empty = true,
                "--delay" => arguments.delay = Some(Duration::from_millis(number(value()?)?)),
                "--grow" => arguments.grow = Some(number(value()?)?),
                "--kind" => arguments.kind = kind(value()?)?,
                "--runs" => arguments.runs = number(value()?)?,
                "--tools" => {
                    arguments.tools = value()?.split(',').map(tool).collect::<Result<_, _>>()?;
                }
                size => arguments.sizes.push(even(number(size)?)?),
            }
        }
        if arguments.sizes.is_empty() {
            arguments.sizes = vec![6, 30, 100];
        }
        Ok(arguments)
    }
}

fn kind(name: &str) -> Result<ServerKind, String> {
    ServerKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or(format!("no kind of server is called {name}"))
}

fn tool(name: &str) -> Result<Tool, String> {
    Tool::ALL
        .into_iter()
        .find(|tool| tool.name() == name)
        .ok_or(format!("no tool is called {name}"))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is not a number"))
}

/// Half of the nodes are replicas, and redis-cli refuses fewer than three primaries.
fn even(nodes: u16) -> Result<u16, String> {
    if nodes >= 6 && nodes.is_multiple_of(2) {
        Ok(nodes)
    } else {
        Err(format!("{nodes} nodes: an even number from 6 on, please"))
    }
}
