//! `rcl export`: a live cluster as a file.

use clap::Args;

use crate::desired::{is_name, parse};
use crate::diff::Allowed;
use crate::export::{Wishes, export, questions};
use crate::net::{Connections, ReadOnly};
use crate::observe::{SETTLE_WITHIN, look_until_settled, look_where_peers_do};
use crate::view::export::Said;
use crate::view::status::{Health, StatusView, health};
use crate::view::{Output, findings, yaml};

use super::access::LoginArgs;
use super::exit::Exit;
use super::load::targets;
use super::status::{Wrong, target};

/// Write a file that describes a live cluster
///
/// Asks the node at HOST:PORT and every member that it tells of, and prints a file whose plan is empty: the hosts, the
/// shards with the slots and roles that they have now, and the cluster-* options that are not the servers' defaults.
/// Nothing is written to any server. What is wrong with the cluster, and what the file can't say, stands in it as
/// comments. The exit code is 0 when the cluster is exactly as the file says, 1 when there is no cluster to describe,
/// and 3 when something is wrong with it.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Any member of the cluster
    #[arg(value_name = "HOST:PORT")]
    pub address: String,
    /// The name of the cluster in the file
    #[arg(long, value_name = "NAME", default_value = "cluster", value_parser = cluster_name)]
    pub name: String,
    /// Write the id of every node, so that another one at its address is refused
    #[arg(long)]
    pub pin_ids: bool,
    #[command(flatten)]
    pub login: LoginArgs,
}

/// The name of a cluster as a file takes it.
pub(super) fn cluster_name(text: &str) -> Result<String, String> {
    match is_name(text) && text.len() <= 100 {
        true => Ok(text.to_owned()),
        false => Err("write letters, digits and the signs . _ - only".to_owned()),
    }
}

/// Prints the file and returns the exit code.
pub async fn run(args: &ExportArgs, output: &mut Output<'_>) -> Exit {
    let (access, keyring) = match args.login.keyring(&args.address) {
        Ok(given) => given,
        Err(error) => return refuse(output, &error.to_string()),
    };
    let mut place = match target(&args.address).await {
        Ok(targets) => targets,
        Err(Wrong::Address(words)) => return refuse(output, &words),
        Err(Wrong::Load(error)) => return refuse(output, &error.to_string()),
    };
    place.questions = questions();
    let connections = Connections::new(keyring);
    let wire = ReadOnly(&connections);
    let mut observed = look_until_settled(&wire, &place, SETTLE_WITHIN, |_| {
        output.talk("Waiting for the nodes to agree …\n");
    })
    .await;
    look_where_peers_do(&wire, &place.questions, &mut observed).await;
    let wishes = Wishes {
        cluster: &args.name,
        pin_ids: args.pin_ids,
        access: &access,
    };
    let seen = StatusView {
        observed: &observed,
        asked: &args.address,
        file: None,
    };
    let exported = match export(&observed, wishes) {
        Ok(exported) => exported,
        Err(refusal) => {
            let mut words = format!("{} can't be exported: {refusal}", args.address);
            for trouble in crate::view::status::troubles(&seen) {
                words.push_str(&format!("\n{trouble}"));
            }
            return refuse(output, &words);
        }
    };
    // What was written is judged as `check` and `plan` judge it, from a look of its own.
    let written = yaml::file(&exported.desired, &[]);
    let desired = match parse(&written) {
        Ok(desired) => desired,
        Err(mistakes) => {
            let styles = output.err.styles;
            output.data(&Said::new(&exported, &seen, None).file(&exported, &args.address));
            output.talk(&Said::new(&exported, &seen, None).human(styles));
            output.talk("error: the file has mistakes, because the cluster has them:\n");
            let coloured = styles.are_coloured();
            output.talk(&findings::render(&mistakes, "file", &written, coloured));
            return Exit::Blocked;
        }
    };
    let targets = targets(&desired).await;
    let again = look_until_settled(&wire, &targets, SETTLE_WITHIN, |_| {}).await;
    let diff = crate::diff::diff(&desired, &again, &Allowed::default());
    let said = Said::new(&exported, &seen, Some(&diff));
    output.data(&said.file(&exported, &args.address));
    output.talk(&said.human(output.err.styles));
    let well = health(&seen) == Health::Well && diff.is_empty();
    match well && !exported.remarks.iter().any(|remark| remark.ill) {
        true => Exit::Fine,
        false => Exit::Blocked,
    }
}

fn refuse(output: &mut Output<'_>, words: &str) -> Exit {
    output.complain(words);
    Exit::Error
}
