//! What reading and folding the journal promises.

use super::*;

/// A record of an upgrade from 5.10.4 to 5.10.5, with its minute as its time.
fn record(attempt: &str, minute: u32, step: Step, by: By) -> Record {
    Record {
        at: format!("2026-01-02T03:{minute:02}:00.000Z"),
        attempt: attempt.to_owned(),
        action: Action::Upgrade,
        step,
        by,
        from: Some("5.10.4".to_owned()),
        to: Some("5.10.5".to_owned()),
        result: None,
        detail: None,
    }
}

fn finished(attempt: &str, minute: u32, by: By, result: AttemptResult) -> Record {
    Record {
        result: Some(result),
        ..record(attempt, minute, Step::Finished, by)
    }
}

fn error(name: &str) -> AttemptResult {
    AttemptResult::Error {
        name: name.to_owned(),
        detail: "why".to_owned(),
    }
}

/// Each attempt as one line of words.
fn words(attempt: &Attempt) -> String {
    let minute = |time: &String| time[14..16].to_owned();
    let result = match &attempt.result {
        None => "-",
        Some(AttemptResult::Success) => "success",
        Some(AttemptResult::Error { name, .. }) => name,
    };
    format!(
        "{} {} {:?} -> {:?} {}..{} {:?} {result} at {}",
        attempt.id,
        attempt.action.as_str(),
        attempt.from.as_deref().unwrap_or("?"),
        attempt.to.as_deref().unwrap_or("?"),
        minute(&attempt.started_at),
        attempt.finished_at.as_ref().map(minute).unwrap_or_default(),
        attempt.status,
        attempt.last_step,
    )
}

fn check(records: &[Record], expected: &[&str]) {
    let actual: Vec<String> = attempts(records).iter().map(words).collect();
    assert_eq!(actual, expected);
}

#[test]
fn a_record_is_written_in_the_form_of_the_contract() {
    let full = Record {
        detail: Some("a\nb".to_owned()),
        ..finished(
            "20260102T030405-a1b2c3",
            4,
            By::Node,
            error("module_not_found"),
        )
    };
    for (record, line) in [
        (
            full,
            r#"{"at":"2026-01-02T03:04:00.000Z","attempt":"20260102T030405-a1b2c3","action":"upgrade","step":"finished","by":"node","from":"5.10.4","to":"5.10.5","result":{"error":"module_not_found","detail":"why"},"detail":"a\nb"}"#,
        ),
        (
            finished("a", 4, By::Command, AttemptResult::Success),
            r#"{"at":"2026-01-02T03:04:00.000Z","attempt":"a","action":"upgrade","step":"finished","by":"command","from":"5.10.4","to":"5.10.5","result":"success"}"#,
        ),
        (
            Record {
                action: Action::LogsClear,
                from: None,
                to: None,
                ..record("a", 4, Step::MarkerWritten, By::Command)
            },
            r#"{"at":"2026-01-02T03:04:00.000Z","attempt":"a","action":"logs-clear","step":"marker_written","by":"command"}"#,
        ),
    ] {
        assert_eq!(record.to_line(), format!("{line}\n"));
        assert_eq!(parse_journal(record.to_line().as_bytes()), [record]);
    }
}

#[test]
fn every_step_and_action_is_written_under_its_own_name() {
    use Step as S;
    for step in [
        S::Started,
        S::Staged,
        S::Deployed,
        S::Planned,
        S::CodeChanged,
        S::CallbacksDone,
        S::MarkerWritten,
        S::Retired,
        S::Finished,
        S::Other("proven".to_owned()),
    ] {
        let json = serde_json::to_string(&step).expect("a string");
        assert_eq!(json, format!("{:?}", step.as_str()));
        assert_eq!(serde_json::from_str::<Step>(&json).expect("a step"), step);
    }
    for action in [
        Action::Upgrade,
        Action::Rollback,
        Action::Fallback,
        Action::Package,
        Action::LogsClear,
        Action::ColdUpgrade,
        Action::Prune,
        Action::Other("sing".to_owned()),
    ] {
        let json = serde_json::to_string(&action).expect("a string");
        assert_eq!(json, format!("{:?}", action.as_str()));
        assert_eq!(
            serde_json::from_str::<Action>(&json).expect("an action"),
            action
        );
    }
}

#[test]
fn torn_and_foreign_lines_are_skipped_and_the_others_kept() {
    let good = record("a", 1, Step::Started, By::Command);
    let line = good.to_line();
    let torn = &line[..line.len() - 9];
    let with = |more: &str| line.replacen('{', &format!("{{{more},"), 1);
    for (journal, count) in [
        (String::new(), 0),
        (line.clone(), 1),
        (line.trim_end().to_owned(), 1),
        (torn.to_owned(), 0),
        (format!("{line}{torn}"), 1),
        (format!("{torn}\n{line}"), 1),
        (format!("{torn}{line}{line}"), 1),
        (format!("{line}\n\n{line}"), 2),
        (format!("not json\n{line}[1,2]\n7\nnull\n{{}}\n{line}"), 2),
        (line.replace('\n', "\r\n"), 1),
        (with(r#""later":{"x":[1]}"#), 1),
        (line.replace("\"command\"", "\"somebody\""), 0),
        (line.replace("\"started\"", "7"), 0),
    ] {
        let records = parse_journal(journal.as_bytes());
        assert_eq!(records, vec![good.clone(); count], "{journal:?}");
    }
    let binary = [&b"\xff\xfe\0\n"[..], line.as_bytes()].concat();
    assert_eq!(parse_journal(&binary), [good]);
}

#[test]
fn names_of_a_later_version_do_not_hide_an_attempt() {
    let line = finished("a", 1, By::Node, AttemptResult::Success).to_line();
    for (from, to, expected) in [
        (
            "\"upgrade\"",
            "\"repair\"",
            "a repair \"5.10.4\" -> \"5.10.5\" 01..01 Finished success at finished",
        ),
        (
            "\"finished\"",
            "\"audited\"",
            "a upgrade \"5.10.4\" -> \"5.10.5\" 01.. InProgress - at audited",
        ),
        (
            "\"success\"",
            "\"half\"",
            "a upgrade \"5.10.4\" -> \"5.10.5\" 01..01 Finished half at finished",
        ),
        (
            "\"success\"",
            "{\"error\":\"x\"}",
            "a upgrade \"5.10.4\" -> \"5.10.5\" 01..01 Finished x at finished",
        ),
        (
            "\"success\"",
            "null",
            "a upgrade \"5.10.4\" -> \"5.10.5\" 01..01 Finished - at finished",
        ),
    ] {
        check(
            &parse_journal(line.replace(from, to).as_bytes()),
            &[expected],
        );
    }
}

#[test]
fn an_attempt_without_its_end_is_in_progress() {
    check(&[], &[]);
    check(
        &[
            record("a", 1, Step::Started, By::Command),
            record("a", 2, Step::Staged, By::Command),
            record("a", 3, Step::CodeChanged, By::Node),
        ],
        &["a upgrade \"5.10.4\" -> \"5.10.5\" 01.. InProgress - at code_changed"],
    );
}

#[test]
fn records_of_several_attempts_may_be_mixed() {
    let back = |mut record: Record| {
        record.action = Action::Rollback;
        std::mem::swap(&mut record.from, &mut record.to);
        record
    };
    check(
        &[
            record("a", 1, Step::Started, By::Command),
            back(record("b", 2, Step::Started, By::Command)),
            record("a", 3, Step::Planned, By::Node),
            back(finished("b", 4, By::Command, error("locked"))),
            finished("a", 5, By::Node, AttemptResult::Success),
            record("c", 6, Step::Started, By::Command),
        ],
        &[
            "a upgrade \"5.10.4\" -> \"5.10.5\" 01..05 Finished success at finished",
            "b rollback \"5.10.5\" -> \"5.10.4\" 02..04 Finished locked at finished",
            "c upgrade \"5.10.4\" -> \"5.10.5\" 06.. InProgress - at started",
        ],
    );
}

#[test]
fn the_node_knows_best_how_an_apply_ended() {
    let lost = || finished("a", 2, By::Command, error("lost"));
    let done = |minute| finished("a", minute, By::Node, AttemptResult::Success);
    let good = "a upgrade \"5.10.4\" -> \"5.10.5\" 01..03 Finished success at finished";
    let start = record("a", 1, Step::Started, By::Command);
    check(&[start.clone(), lost(), done(3)], &[good]);
    check(&[start.clone(), done(3), lost()], &[good]);
    check(&[start.clone(), done(3), done(4)], &[good]);
    check(
        &[
            start.clone(),
            lost(),
            record("a", 3, Step::MarkerWritten, By::Node),
        ],
        &["a upgrade \"5.10.4\" -> \"5.10.5\" 01..02 Finished lost at finished"],
    );
    check(
        &[
            start,
            lost(),
            record("a", 3, Step::MarkerWritten, By::Node),
            done(3),
        ],
        &[good],
    );
}

#[test]
fn versions_may_come_with_a_later_record() {
    let bare = |step| Record {
        from: None,
        to: None,
        ..record("a", 1, step, By::Command)
    };
    check(
        &[
            bare(Step::Started),
            record("a", 2, Step::Staged, By::Command),
            bare(Step::Deployed),
        ],
        &["a upgrade \"5.10.4\" -> \"5.10.5\" 01.. InProgress - at deployed"],
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(0..=255_u8, 0..300)) {
        let _ = attempts(&parse_journal(&bytes));
    }
}
