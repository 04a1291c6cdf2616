//! Collects what a [`Record`] holds beside the event. All bounded: what is too much is left out.

use super::shown::{self, Input, Shown, Subject};
use super::{CacheNote, Canonical, Cell, Change, NearMiss, Phase, Record, Step, Verdict};
use crate::event::line::Line;
use crate::fault::Reason;
use crate::plan::Route;
use crate::policy::headers::Edit;
use std::cell::RefCell;

/// Inputs of one phase at most.
const INPUTS: usize = 32;
/// Edits of one message at most.
const CHANGES: usize = 96;
/// Limits at most.
const CELLS: usize = 16;
/// Routes that lost, at most.
const NEAR: usize = 12;

/// Whose header fields are edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those that an upstream gets.
    Request,
    /// The answer's.
    Response,
}

/// Collects the record of one request.
pub struct Recorder {
    /// Key of the tags of hidden values.
    key: Vec<u8>,
    draft: RefCell<Draft>,
}

struct Draft {
    record: Record,
    /// The phases so far, each once, with the place of its step.
    phases: Vec<Phase>,
    /// The phase under way: a place among `phases` and the record's steps.
    current: usize,
    /// So many of the exchange's edits have been ascribed.
    ascribed: usize,
}

impl Recorder {
    /// `key` must be known to nobody who reads records: values that are hidden are tagged under it.
    pub fn new(key: &[u8]) -> Recorder {
        let draft = Draft { record: Record::default(), phases: Vec::new(), current: 0, ascribed: 0 };
        let recorder = Recorder { key: key.to_vec(), draft: RefCell::new(draft) };
        recorder.enter(Phase::Admit, &[]);
        recorder
    }

    /// A phase begins, or goes on. `edits` are those on the answer so far: the new ones are the last phase's.
    #[cold]
    pub fn enter(&self, phase: Phase, edits: &[Edit]) {
        let mut draft = self.draft.borrow_mut();
        let Draft { record, phases, current, ascribed } = &mut *draft;
        let by = phases.get(*current).map_or("", |phase| phase.word());
        for edit in edits.get(*ascribed..).unwrap_or_default() {
            change(&mut record.response_headers, by, edit, &self.key);
        }
        *ascribed = edits.len();
        *current = phases.iter().position(|own| *own == phase).unwrap_or_else(|| {
            phases.push(phase);
            record.steps.push(Step { phase: phase.word().to_owned(), ..Step::default() });
            phases.len() - 1
        });
    }

    /// The phase under way has read a value; `None`: it is absent.
    #[cold]
    pub fn read(&self, subject: Subject<'_>, value: Option<&str>) {
        let input = Input::of(subject, value, &self.key);
        let mut draft = self.draft.borrow_mut();
        let current = draft.current;
        // What is read to write the event is no input of a decision.
        if draft.phases.get(current) == Some(&Phase::Finish) {
            return;
        }
        let Some(step) = draft.record.steps.get_mut(current) else { return };
        if step.inputs.len() < INPUTS && !step.inputs.contains(&input) {
            step.inputs.push(input);
        }
    }

    /// Edits that somebody made on a message.
    #[cold]
    pub fn changed(&self, side: Side, by: &str, edits: &[Edit]) {
        let mut draft = self.draft.borrow_mut();
        let list = match side {
            Side::Request => &mut draft.record.request_headers,
            Side::Response => &mut draft.record.response_headers,
        };
        edits.iter().for_each(|edit| change(list, by, edit, &self.key));
    }

    /// Header fields of an answer of the gateway's own: the phase under way wrote them.
    #[cold]
    pub fn replied<'f>(&self, fields: impl Iterator<Item = (&'f str, &'f str)>) {
        let mut draft = self.draft.borrow_mut();
        let by = draft.phases.get(draft.current).map_or("", |phase| phase.word());
        for (name, value) in fields {
            let name = name.to_ascii_lowercase();
            put(&mut draft.record.response_headers, by, "set", &name, Some(value), &self.key);
        }
    }

    /// The request's canonical form.
    #[cold]
    pub fn canonical(&self, request: Canonical) {
        self.draft.borrow_mut().record.request = Some(request);
    }

    /// The matched template, and what its parameters stand for.
    #[cold]
    pub fn matched(&self, template: &str, parameters: impl Iterator<Item = (String, String)>) {
        let mut draft = self.draft.borrow_mut();
        draft.record.template = Some(template.to_owned());
        draft.record.parameters = parameters.take(INPUTS).collect();
    }

    /// Routes that lost.
    #[cold]
    pub fn near_misses(&self, misses: impl Iterator<Item = NearMiss>) {
        self.draft.borrow_mut().record.near_misses = misses.take(NEAR).collect();
    }

    /// How the limits stand.
    #[cold]
    pub fn cells(&self, cells: impl Iterator<Item = Cell>) {
        self.draft.borrow_mut().record.limits = cells.take(CELLS).collect();
    }

    /// What the cache was asked.
    #[cold]
    pub fn asked_cache(&self, parts: Vec<String>, key: Option<&str>) {
        let note = CacheNote { parts, key: key.map(str::to_owned), result: String::new() };
        self.draft.borrow_mut().record.cached = Some(note);
    }

    /// What the cache said, as `Cache-Status` has it.
    #[cold]
    pub fn cache_said(&self, result: &str) {
        if let Some(cached) = &mut self.draft.borrow_mut().record.cached {
            result.clone_into(&mut cached.result);
        }
    }

    /// The phase under way has stopped the request, or made its answer.
    #[cold]
    pub fn stopped(&self, reason: Option<Reason>, route: Option<&Route>) {
        let mut draft = self.draft.borrow_mut();
        let Draft { record, phases, current, .. } = &mut *draft;
        let Some((step, last)) = record.steps.get_mut(*current).zip(phases.get(*current).copied()) else {
            return;
        };
        step.reason = reason.map(|reason| reason.code().to_owned());
        step.verdict = match reason {
            Some(reason) if fails(reason) => Verdict::Failed,
            Some(_) => Verdict::Refused,
            None => Verdict::Answered,
        };
        let Some(route) = route else { return };
        for phase in Phase::ALL.iter().filter(|phase| **phase > last && phase.applies(route)) {
            if !phases.contains(phase) {
                phases.push(*phase);
                let verdict = Verdict::Skipped;
                record.steps.push(Step { phase: phase.word().to_owned(), verdict, ..Step::default() });
            }
        }
    }

    /// The record.
    #[cold]
    pub fn finish(&self, event: Line, environment: &str) -> Record {
        let mut draft = self.draft.borrow_mut();
        let Draft { record, phases, .. } = &mut *draft;
        let mut steps: Vec<(Phase, Step)> = phases.drain(..).zip(record.steps.drain(..)).collect();
        steps.retain(|(phase, _)| *phase != Phase::Finish);
        steps.sort_by_key(|(phase, _)| *phase);
        record.steps = steps.into_iter().map(|(_, step)| step).collect();
        record.event = event;
        environment.clone_into(&mut record.environment);
        std::mem::take(record)
    }
}

/// Whether a reason says that something of the gateway's or behind it did not work, and not that the request is wrong.
fn fails(reason: Reason) -> bool {
    reason.status() >= 500
        && !matches!(
            reason,
            Reason::Maintenance | Reason::NotCached | Reason::MethodUnknown | Reason::LoopDetected
        )
}

fn change(list: &mut Vec<Change>, by: &str, edit: &Edit, key: &[u8]) {
    let word = match edit {
        Edit::Set(..) => "set",
        Edit::Add(..) => "add",
        Edit::Remove(_) => "remove",
    };
    put(list, by, word, edit.name(), edit.value(), key);
}

fn put(list: &mut Vec<Change>, by: &str, edit: &str, name: &str, value: Option<&str>, key: &[u8]) {
    if list.len() < CHANGES {
        let shown = Shown::of(Subject::Header(name), value, key);
        let name = shown::cut(name, 128).to_owned();
        list.push(Change { name, edit: edit.to_owned(), shown, by: by.to_owned() });
    }
}
