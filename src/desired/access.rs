//! `access`: how rcl logs in to the servers. The secrets themselves stand elsewhere.

use std::path::PathBuf;

use super::address;
use super::file::secret_source;
use super::finding::{Findings, Place, Placed, quoted};
use super::read::{Field, Wanted, fields, text};
use super::yaml::{Tree, Value};
use super::{Access, Password, SecretSource, Tls};
use crate::base::Login;

/// The section as it is written, at the top or under a host.
#[derive(Clone, Debug, Default)]
pub(super) struct AccessEntry {
    /// The key `access`.
    place: Place,
    username: Option<String>,
    password: Option<SecretSource>,
    tls: Option<TlsEntry>,
    /// Something in it could not be read, so that nothing is said to be missing.
    broken: bool,
}

#[derive(Clone, Debug, Default)]
struct TlsEntry {
    /// The key `tls`.
    place: Place,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
    broken: bool,
}

const ACCESS: Wanted<'_> = Wanted {
    what: "`access`",
    example: "access: {username: rcl, password: {env: RCL_PASSWORD}}",
};
const TLS: Wanted<'_> = Wanted {
    what: "`tls`",
    example: "tls: {ca: ca.pem}",
};

pub(super) fn read(field: Field<'_>, findings: &mut Findings) -> AccessEntry {
    let mut entry = AccessEntry {
        place: field.key,
        ..AccessEntry::default()
    };
    let known = ["username", "password", "tls"];
    let Some([username, password, tls]) = fields(field.value, ACCESS, known, findings) else {
        entry.broken = true;
        return entry;
    };
    entry.broken = password.is_some();
    entry.username = username.and_then(|field| user(field.value, findings));
    entry.password = password.and_then(|field| password_source(field.value, findings));
    entry.broken &= entry.password.is_none();
    entry.tls = tls.map(|field| read_tls(field, findings));
    entry
}

fn user(tree: &Tree, findings: &mut Findings) -> Option<String> {
    let wanted = Wanted {
        what: "`username`",
        example: "the name of a user of the servers, such as `username: rcl`",
    };
    let Placed { value, place } = text(tree, wanted, findings)?;
    if value.contains(char::is_whitespace) {
        findings.add(
            place,
            format!("{} can't be the name of a user", quoted(&value)),
            "write it without spaces",
        );
        return None;
    }
    Some(value)
}

fn password_source(tree: &Tree, findings: &mut Findings) -> Option<SecretSource> {
    match &tree.value {
        Value::Text(word) if word == "prompt" => Some(SecretSource::Prompt),
        Value::Map(_) => secret_source("password", tree, findings),
        // The value is never repeated in a message: it may be the secret itself.
        Value::Text(_) | Value::List(_) | Value::Nothing => {
            findings.add(
                tree.place,
                "the secret `password` must not stand in the file",
                "write password: {env: NAME}, password: {file: PATH}, or password: prompt",
            );
            None
        }
    }
}

fn read_tls(field: Field<'_>, findings: &mut Findings) -> TlsEntry {
    let mut entry = TlsEntry {
        place: field.key,
        ..TlsEntry::default()
    };
    let known = ["ca", "cert", "key", "server_name"];
    let Some([ca, cert, key, server_name]) = fields(field.value, TLS, known, findings) else {
        entry.broken = true;
        return entry;
    };
    let written = [ca, cert, key].map(|field| field.is_some());
    let mut path = |field: Option<Field<'_>>, what: &str| {
        let wanted = Wanted {
            what,
            example: "the path of a PEM file, such as `ca: ca.pem`",
        };
        Some(PathBuf::from(text(field?.value, wanted, findings)?.value))
    };
    entry.ca = path(ca, "`ca`");
    entry.cert = path(cert, "`cert`");
    entry.key = path(key, "`key`");
    let read = [&entry.ca, &entry.cert, &entry.key].map(Option::is_some);
    entry.broken = written != read;
    entry.server_name = server_name.and_then(|field| name_of_server(field.value, findings));
    entry
}

fn name_of_server(tree: &Tree, findings: &mut Findings) -> Option<String> {
    let wanted = Wanted {
        what: "`server_name`",
        example: "a name that stands in the servers' certificates, such as redis.internal",
    };
    let Placed { value, place } = text(tree, wanted, findings)?;
    match address::host_address(&value) {
        Ok(_) => Some(value),
        Err((message, help)) => {
            findings.add(place, message, help);
            None
        }
    }
}

impl Access {
    /// Who rcl says it is, once the password is filled in.
    #[must_use]
    pub fn login(&self) -> Option<Login> {
        let password = self.password.as_ref()?.value.clone()?;
        Some(Login {
            user: self.username.clone(),
            password,
        })
    }
}

impl AccessEntry {
    /// The section under a host completed by the one at the top, what is missing there aside.
    pub(super) fn over(&self, top: Option<&Self>) -> Self {
        let mut whole = self.clone();
        let Some(top) = top else { return whole };
        whole.broken |= top.broken || top.lacks_password();
        whole.username = whole.username.or_else(|| top.username.clone());
        whole.password = whole.password.or_else(|| top.password.clone());
        whole.tls = match (whole.tls, top.tls.clone()) {
            (Some(own), Some(top)) => Some(TlsEntry {
                broken: own.broken || top.broken || top.is_half(),
                place: own.place,
                ca: own.ca.or(top.ca),
                cert: own.cert.or(top.cert),
                key: own.key.or(top.key),
                server_name: own.server_name.or(top.server_name),
            }),
            (None, Some(top)) => Some(TlsEntry {
                // What is wrong with it has been said at the top.
                broken: true,
                ..top
            }),
            (own, None) => own,
        };
        whole
    }

    fn lacks_password(&self) -> bool {
        self.username.is_some() && self.password.is_none()
    }

    /// What it means; what is missing in it is reported.
    pub(super) fn checked(self, findings: &mut Findings) -> Access {
        if let Some(user) = &self.username
            && self.lacks_password()
            && !self.broken
        {
            findings.add(
                self.place,
                format!("the user {} has no `password`", quoted(user)),
                "write password: {env: NAME}, password: {file: PATH}, or password: prompt",
            );
        }
        Access {
            username: self.username,
            password: self.password.map(|source| Password {
                source,
                value: None,
            }),
            tls: self.tls.and_then(|tls| tls.checked(findings)),
        }
    }
}

impl TlsEntry {
    fn is_half(&self) -> bool {
        self.ca.is_none() || self.cert.is_some() != self.key.is_some()
    }

    fn checked(self, findings: &mut Findings) -> Option<Tls> {
        if !self.broken && self.cert.is_some() != self.key.is_some() {
            let (there, missing) = match self.cert {
                Some(_) => ("cert", "key"),
                None => ("key", "cert"),
            };
            findings.add(
                self.place,
                format!("`tls` has a `{there}` and no `{missing}`"),
                "write both, such as {ca: ca.pem, cert: rcl.pem, key: rcl.key}, or neither",
            );
        }
        if !self.broken && self.ca.is_none() {
            findings.add(
                self.place,
                "`tls` has no `ca`",
                "write the file with the certificate of the authority that signed those of the servers: {ca: ca.pem}",
            );
        }
        Some(Tls {
            ca: self.ca?,
            identity: self.cert.zip(self.key),
            server_name: self.server_name,
        })
    }
}
