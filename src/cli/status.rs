//! `rcl status`: the cluster as it is.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::base::{Address, NodeName};
use crate::diff::Allowed;
use crate::net::{Connections, Keyring, ReadOnly, holders, resolve};
use crate::observe::{Targets, look_until_settled};
use crate::view::status::{FileView, Health, StatusView};
use crate::view::{self, Output};

use super::access::LoginArgs;
use super::exit::Exit;
use super::load::{Loaded, load, targets};
use super::{DEFAULT_FILE, Json, fail_as, tell_unusable};

/// A state in passing is worth showing too, so little is waited for.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

/// Show the cluster as it is
///
/// With FILE, it also shows what differs from it. An address needs no file: any member tells of the others. The exit
/// code is 0 when nothing is wrong and nothing differs, 1 when nobody answers, 2 when something differs from FILE that an
/// apply would mend while clients are served, else 3.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The YAML file, or the address of any member: host:port
    #[arg(value_name = "FILE|ADDR", env = "RCL_FILE", default_value = DEFAULT_FILE)]
    pub place: String,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub login: LoginArgs,
}

/// Prints the state and returns the exit code: 0 when nothing is wrong.
pub async fn run(args: &StatusArgs, output: &mut Output<'_>) -> Exit {
    let json = args.json.then_some(Json::Document);
    let (loaded, targets, keyring) = match where_to_look(args).await {
        Ok(found) => found,
        Err(Wrong::Load(error)) => return fail_as(json, output, &error),
        Err(Wrong::Address(words)) => {
            tell_unusable(json, output, &args.place, &words, &[]);
            output.complain(&words);
            return Exit::Error;
        }
    };
    let connections = Connections::new(keyring);
    let wire = ReadOnly(&connections);
    let mut observed = look_until_settled(&wire, &targets, SETTLE_WITHIN, |_| {}).await;
    observed.applying = holders(&wire, &observed.places()).await;
    let diff = loaded
        .as_ref()
        .map(|loaded| crate::diff::diff(&loaded.desired, &observed, &Allowed::default()));
    let file = loaded
        .as_ref()
        .zip(diff.as_ref())
        .map(|(loaded, diff)| FileView {
            desired: &loaded.desired,
            diff,
        });
    let view = StatusView {
        observed: &observed,
        asked: &args.place,
        file,
    };
    let text = match args.json {
        true => view::status::json(&view),
        false => view::status::human(&view, output.out.styles, output.out.width),
    };
    output.data(&text);
    match (&diff, observed.views.is_empty()) {
        (_, true) => Exit::Error,
        (Some(diff), false) => Exit::of_state(diff, !observed.applying.is_empty()),
        (None, false) => match view::status::health(&view) {
            Health::Well => Exit::Fine,
            Health::Ill => Exit::Blocked,
        },
    }
}

/// Why there is nothing to look at.
pub(super) enum Wrong {
    Load(super::load::LoadError),
    Address(String),
}

/// A file when there is one of that name or it looks like one, else an address.
async fn where_to_look(args: &StatusArgs) -> Result<(Option<Loaded>, Targets, Keyring), Wrong> {
    let place = args.place.as_str();
    let path = Path::new(place);
    let address = split_address(place).filter(|_| !path.exists());
    let Some((host, port)) = address else {
        if args.login.is_given() {
            let words =
                "--user and --tls-… are for an address; a file says it itself, under `access`";
            return Err(Wrong::Address(words.to_owned()));
        }
        if looks_like_neither(path) {
            return Err(Wrong::Address(format!(
                "{place:?} is neither a file nor an address: write host:port, such as 10.0.0.1:7000"
            )));
        }
        let loaded = load(path).map_err(Wrong::Load)?;
        let targets = targets(&loaded.desired).await;
        let keyring = loaded.keyring(&targets);
        return Ok((Some(loaded), targets, keyring));
    };
    let given = args.login.keyring(place);
    let (_, keyring) = given.map_err(|error| Wrong::Address(error.to_string()))?;
    Ok((None, one_node(place, host, port).await?, keyring))
}

/// A host without its port, most likely: no file has that name, and none would be called so.
fn looks_like_neither(path: &Path) -> bool {
    let is_address = path
        .to_str()
        .is_some_and(|name| name.parse::<std::net::IpAddr>().is_ok());
    !path.exists() && (is_address || path.extension().is_none())
}

/// The one node at an address.
pub(super) async fn target(place: &str) -> Result<Targets, Wrong> {
    match split_address(place) {
        Some((host, port)) => one_node(place, host, port).await,
        None => Err(Wrong::Address(format!(
            "{place:?} is no address: write host:port, such as 10.0.0.1:7000"
        ))),
    }
}

async fn one_node(place: &str, host: &str, port: u16) -> Result<Targets, Wrong> {
    let ips = resolve(host, Duration::from_secs(5))
        .await
        .map_err(Wrong::Address)?;
    let addresses = ips.into_iter().map(|ip| Address::new(ip, port)).collect();
    let mut targets = Targets::default();
    targets.nodes.insert(NodeName::new(place), Ok(addresses));
    Ok(targets)
}

fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some((host, port.parse().ok()?)).filter(|(host, _)| !host.is_empty() && !host.contains('/'))
}
