//! Saved plans on disk: written whole or not at all, and read back with suspicion.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::diff::questions;
use crate::observed::{Change, Fingerprint};
use crate::plan::{MAX_SAVED_BYTES, Origin, SavedPlan};
use crate::view::saved::{Saved, Stale, changes, file_changed};
use crate::view::{self, Output};

use super::exit::Exit;
use super::load::{Loaded, load};
use super::plan::Made;
use super::{Allow, Json, Leave, Shared, fail_as, tell_unusable, who};

/// What FILE turned out to be.
pub(super) struct Opened {
    pub(super) loaded: Loaded,
    pub(super) allow: Vec<Allow>,
    /// The plan, if it was a saved one, and the name of its file.
    pub(super) saved: Option<(SavedPlan, String)>,
}

/// Reads FILE: the YAML itself, or a saved plan and the YAML that it was made from.
pub(super) fn open(
    shared: &Shared,
    json: Option<Json>,
    output: &mut Output<'_>,
) -> Result<Opened, Exit> {
    let Some(read) = read_saved(&shared.file) else {
        let loaded = load(&shared.file).map_err(|error| fail_as(json, output, &error))?;
        return Ok(Opened {
            loaded,
            allow: shared.allow.clone(),
            saved: None,
        });
    };
    let path = shared.file.display().to_string();
    let refuse = |output: &mut Output<'_>, words: &str, exit: Exit| {
        tell_unusable(json, output, &path, words, &[]);
        output.complain(words);
        exit
    };
    let saved = match read.and_then(|text| SavedPlan::decode(&text).map_err(|e| e.to_string())) {
        Ok(saved) => saved,
        Err(why) => {
            let words = view::saved::unusable(&path, &why);
            return Err(refuse(output, &words, Exit::Error));
        }
    };
    // To give up data is said again; all else is as it was when the plan was made.
    let again =
        |given: &Allow| given.kind == Leave::LoseData && saved.allow.contains(&given.to_string());
    if !shared.allow.iter().all(again) {
        let words = "a saved plan has the --allow that it was made with; make a new one";
        return Err(refuse(output, words, Exit::Usage));
    }
    let allow: Result<Vec<Allow>, String> = saved.allow.iter().map(|text| text.parse()).collect();
    let allow = match allow {
        Ok(allow) => allow,
        Err(why) => {
            let words = view::saved::unusable(&path, &format!("its leave makes no sense: {why}"));
            return Err(refuse(output, &words, Exit::Error));
        }
    };
    let mut loaded = load(&Path::new(&saved.folder).join(&saved.file))
        .map_err(|error| fail_as(json, output, &error))?;
    loaded.name.clone_from(&saved.file);
    if loaded.sha256 != saved.sha256 {
        let stale = Stale {
            saved: Some(Saved {
                path: &path,
                at: &saved.saved_at,
            }),
            file: &saved.file,
            changes: vec![file_changed(&saved.file)],
        };
        return Err(tell_stale(&stale, json, output));
    }
    Ok(Opened {
        loaded,
        allow,
        saved: Some((saved, path)),
    })
}

impl Opened {
    /// How it is named on a command line, with the leave that was given.
    pub(super) fn as_said(&self) -> String {
        let flags = self.allow.iter().map(|allow| format!("--allow {allow}"));
        let words: Vec<String> = flags.chain([self.loaded.name.clone()]).collect();
        words.join(" ")
    }

    /// A saved plan that gives up data: a file alone is no leave for that, whoever wrote it. What is missing on the
    /// command line is told.
    pub(super) fn all_said(
        &self,
        given: &[Allow],
        json: Option<Json>,
        output: &mut Output<'_>,
    ) -> Result<(), Exit> {
        let Some((_, path)) = &self.saved else {
            return Ok(());
        };
        let unsaid = self
            .allow
            .iter()
            .filter(|allow| allow.kind == Leave::LoseData && !given.contains(allow));
        let unsaid: Vec<String> = unsaid.map(ToString::to_string).collect();
        if unsaid.is_empty() {
            return Ok(());
        }
        let words = view::saved::unsaid(path, &unsaid);
        tell_unusable(json, output, path, &words, &[]);
        output.complain(&words);
        Err(Exit::Blocked)
    }

    /// Whether a plan just made is the one that was saved; says what has changed if it isn't.
    pub(super) fn verify(
        &self,
        made: &Made,
        json: Option<Json>,
        output: &mut Output<'_>,
    ) -> Result<(), Exit> {
        let Some((saved, path)) = &self.saved else {
            return Ok(());
        };
        let now = fingerprint(&self.loaded, made);
        let seen = saved.fingerprint.changes(&now);
        if seen.is_empty() && saved.is_the_plan(&made.plan) {
            return Ok(());
        }
        Err(self.stale(&seen, made, Some((path, &saved.saved_at)), json, output))
    }

    /// Whether the plan that was shown is still the plan, now that nobody else applies.
    pub(super) fn still_holds(
        &self,
        shown: &Made,
        made: &Made,
        json: Option<Json>,
        output: &mut Output<'_>,
    ) -> Result<(), Exit> {
        let [was, now] = [shown, made].map(|made| fingerprint(&self.loaded, made));
        let seen = was.changes(&now);
        // A saved plan holds for what was seen then, to the letter.
        let unseen = self.saved.is_none() || seen.is_empty();
        if made.plan.does_the_same(&shown.plan) && unseen {
            return Ok(());
        }
        let saved = self.saved.as_ref();
        let saved = saved.map(|(saved, path)| (path.as_str(), saved.saved_at.as_str()));
        Err(self.stale(&seen, made, saved, json, output))
    }

    fn stale(
        &self,
        seen: &[Change],
        made: &Made,
        saved: Option<(&str, &str)>,
        json: Option<Json>,
        output: &mut Output<'_>,
    ) -> Exit {
        let pairing = &made.plan.diff.pairing;
        let stale = Stale {
            saved: saved.map(|(path, at)| Saved { path, at }),
            file: &self.as_said(),
            changes: changes(seen, &self.loaded.desired, pairing),
        };
        tell_stale(&stale, json, output)
    }
}

fn tell_stale(stale: &Stale<'_>, json: Option<Json>, output: &mut Output<'_>) -> Exit {
    let file = stale.saved.map_or(stale.file, |saved| saved.path);
    let words = view::saved::in_one_line(stale);
    tell_unusable(json, output, file, &words, &[]);
    let text = view::saved::stale(stale, output.err.styles);
    output.talk(&text);
    Exit::Blocked
}

fn fingerprint(loaded: &Loaded, made: &Made) -> Fingerprint {
    Fingerprint::of(&made.observed, &questions(&loaded.desired).options)
}

/// Saves a plan that was just shown.
pub(super) fn save(
    path: &Path,
    loaded: &Loaded,
    made: &Made,
    allow: &[Allow],
    output: &mut Output<'_>,
) -> Result<(), Exit> {
    let result = std::env::current_dir().and_then(|folder| {
        let me = who::presence();
        let saved = SavedPlan::new(
            &made.plan,
            Origin {
                saved_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
                saved_by: me.who().to_owned(),
                file: loaded.name.clone(),
                folder: folder.display().to_string(),
                sha256: loaded.sha256.clone(),
                allow: allow.iter().map(ToString::to_string).collect(),
                summary: view::plan::summary(&made.plan, &loaded.name),
                fingerprint: fingerprint(loaded, made),
            },
        );
        write_whole(path, saved.encode().as_bytes())
    });
    let (text, result) = match result {
        Ok(()) => (view::saved::saved(&path.display().to_string()), Ok(())),
        Err(error) => (
            view::saved::not_saved(&path.display().to_string(), &error.to_string()),
            Err(Exit::Error),
        ),
    };
    output.talk(&text);
    result
}

/// The text of a saved plan, or why it can't be read; nothing if the file is none.
fn read_saved(path: &Path) -> Option<Result<String, String>> {
    let mut file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    let mut head = (&mut file).take(1024);
    head.read_to_end(&mut bytes).ok()?;
    if !SavedPlan::is_one(&bytes) {
        return None;
    }
    let limit = u64::try_from(MAX_SAVED_BYTES).unwrap_or(u64::MAX);
    if let Err(error) = file.take(limit).read_to_end(&mut bytes) {
        return Some(Err(error.to_string()));
    }
    if bytes.len() > MAX_SAVED_BYTES {
        let most = MAX_SAVED_BYTES >> 20;
        return Some(Err(format!("it has more than {most} MiB")));
    }
    Some(String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()))
}

/// Writes a file that only its owner reads. Until it is whole and on disk, what was there stays.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("there is something else than a file"));
    }
    // A slip of the hand must not cost the file of the cluster, or anything else.
    if let Ok(head) = head_of(path)
        && !head.is_empty()
        && !SavedPlan::is_one(&head)
    {
        return Err(io::Error::other("there is a file that is no saved plan"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let written = write_new(&draft, bytes)
        .and_then(|()| std::fs::rename(&draft, path))
        .and_then(|()| File::open(&folder)?.sync_all());
    if written.is_err() {
        // Half a plan is of no use; what can't be removed was not there.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

/// Enough of a file to tell a saved plan.
fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(1024).read_to_end(&mut head)?;
    Ok(head)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let [one, two] = ["1", "2"].map(|by| format!("{{\"format_version\": {by}}}"));
        write_whole(&path, one.as_bytes()).unwrap();
        write_whole(&path, two.as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), two);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
        for other in [
            Path::new("/dev/null"),
            folder.path(),
            Path::new("/nowhere/plan.json"),
        ] {
            assert!(write_whole(other, b"three").is_err(), "{}", other.display());
        }
    }
}
