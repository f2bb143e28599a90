//! What a node brings along beside its keys, and a newcomer has to have before clients are sent to
//! it: function libraries, and the names of the users that its ACL knows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::{Command, Reply};

use super::Job;

/// What a node says where it is asked at all, and where the user of rcl may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told<T> {
    #[default]
    NotAsked,
    /// The server's own words.
    Refused(String),
    Is(T),
}

/// Libraries by name, each with its code.
pub type Libraries = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equipment {
    pub libraries: Told<Libraries>,
    /// Names only: what a user may do, and by which password, is never asked.
    pub users: Told<BTreeSet<String>>,
}

impl Equipment {
    /// The replies to [`Self::questions`].
    #[must_use]
    pub fn read(replies: &[Reply]) -> Self {
        match replies {
            [libraries, users] => Self {
                libraries: Told::libraries(libraries),
                users: Told::users(users),
            },
            _ => Self::default(),
        }
    }

    #[must_use]
    pub fn questions() -> Vec<Command> {
        ["FUNCTION LIST WITHCODE", "ACL USERS"]
            .map(Command::new)
            .to_vec()
    }
}

impl<T> Told<T> {
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::NotAsked | Self::Refused(_) => None,
        }
    }
}

impl Told<Libraries> {
    /// The reply to FUNCTION LIST WITHCODE. A server that doesn't know the command has none.
    #[must_use]
    pub(super) fn libraries(reply: &Reply) -> Self {
        if let Some(told) = refused(reply) {
            return told;
        }
        let read = |library: &Reply| {
            let fields: BTreeMap<&str, &Reply> = library
                .as_list()?
                .chunks_exact(2)
                .filter_map(|pair| Some((pair[0].as_text()?, &pair[1])))
                .collect();
            let text = |name: &str| fields.get(name)?.as_text().map(str::to_owned);
            Some((text("library_name")?, text("library_code")?))
        };
        let libraries = reply.as_list().unwrap_or_default().iter().map(read);
        match libraries.collect() {
            Some(libraries) => Self::Is(libraries),
            None => Self::Refused("its list of libraries makes no sense".to_owned()),
        }
    }
}

impl Told<BTreeSet<String>> {
    /// The reply to ACL USERS.
    #[must_use]
    pub(super) fn users(reply: &Reply) -> Self {
        if let Some(told) = refused(reply) {
            return told;
        }
        let users = reply.as_list().unwrap_or_default().iter();
        Self::Is(
            users
                .filter_map(Reply::as_text)
                .map(str::to_owned)
                .collect(),
        )
    }
}

impl Told<Vec<Job>> {
    /// The reply to CLUSTER GETSLOTMIGRATIONS: the jobs that run.
    #[must_use]
    pub(super) fn jobs(reply: &Reply) -> Self {
        if let Some(told) = refused(reply) {
            return told;
        }
        let Some(mut jobs) = Job::parse_all(reply) else {
            return Self::Refused("its list of jobs makes no sense".to_owned());
        };
        jobs.retain(Job::is_running);
        Self::Is(jobs)
    }
}

fn refused<T: Default>(reply: &Reply) -> Option<Told<T>> {
    let words = reply.as_error()?;
    Some(
        match words.to_ascii_lowercase().contains("unknown command") {
            true => Told::Is(T::default()),
            false => Told::Refused(words.to_owned()),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_libraries_and_users() {
        let text = |words: &str| Reply::Text(words.to_owned());
        let error = |words: &str| Reply::Error(words.to_owned());
        let library = Reply::List(vec![
            text("library_name"),
            text("mylib"),
            text("engine"),
            text("LUA"),
            text("functions"),
            Reply::List(Vec::new()),
            text("library_code"),
            text("#!lua name=mylib\n"),
        ]);
        let known = Libraries::from([("mylib".to_owned(), "#!lua name=mylib\n".to_owned())]);
        assert_eq!(
            Told::libraries(&Reply::List(vec![library])),
            Told::Is(known)
        );
        assert_eq!(
            Told::libraries(&error("ERR unknown command `FUNCTION`, with args")),
            Told::Is(Libraries::new())
        );
        let words = "NOPERM this user has no permissions to run the 'acl|users' command";
        assert_eq!(Told::users(&error(words)), Told::Refused(words.to_owned()));
        let users = Reply::List(vec![text("app"), text("default")]);
        let names = ["app", "default"].map(str::to_owned);
        assert_eq!(Told::users(&users), Told::Is(BTreeSet::from(names)));
    }
}
