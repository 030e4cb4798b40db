//! What a record says, and what becomes of it.

use super::*;

const LATER: &str = "2026-01-02T03:04:06.000Z";

fn deployment(marked_at: &str) -> Deployment {
    Deployment {
        version: "5.10.5".parse().expect("a version"),
        tree: "relup/5.10.5".to_owned(),
        marked_at: marked_at.to_owned(),
    }
}

fn fresh() -> Assessment {
    Assessment::fresh(deployment("2026-01-02T03:04:05.000000001Z"))
}

fn tried(attempts: u32) -> Assessment {
    let booting = Booting { pid: 7, started: 9 };
    (0..attempts).fold(fresh(), |assessment, _| {
        assessment.with_attempt(LATER.to_owned(), Some(booting))
    })
}

fn limit(text: &str) -> AttemptLimit {
    text.parse().expect("a limit")
}

#[test]
fn each_verdict_has_its_words() {
    for (assessment, name, words) in [
        (fresh(), "not_booted", "not booted yet".to_owned()),
        (
            tried(1),
            "tried",
            format!("tried once, not ready yet (last at {LATER})"),
        ),
        (
            tried(2),
            "tried",
            format!("tried 2 times, not ready yet (last at {LATER})"),
        ),
        (
            tried(2).with_ready(LATER.to_owned()),
            "good",
            format!("good since {LATER}"),
        ),
        (
            tried(3).with_given_up(LATER.to_owned()),
            "given_up",
            format!("given up at {LATER}, tried 3 times"),
        ),
    ] {
        let verdict = assessment.verdict();
        assert_eq!((verdict.name(), verdict.to_string()), (name, words));
    }
}

#[test]
fn what_is_written_is_read_back() {
    for assessment in [
        fresh(),
        tried(2),
        tried(2).with_ready(LATER.to_owned()),
        tried(1).with_given_up(LATER.to_owned()),
    ] {
        let text = assessment.render();
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
        assert_eq!(Assessment::parse(text.as_bytes()), Ok(assessment), "{text}");
    }
}

#[test]
fn fields_of_a_later_version_do_no_harm() {
    let text = tried(1).render().replacen('{', "{\"colour\":\"red\",", 1);
    assert_eq!(Assessment::parse(text.as_bytes()), Ok(tried(1)));
}

#[test]
fn what_is_no_record_is_told_and_never_guessed() {
    let whole = tried(1).render();
    let cut = &whole.as_bytes()[..whole.len() / 2];
    let later = whole.replace("\"schema\":1", "\"schema\":2");
    let evil = whole.replace("\"5.10.5\"", "\"../x\"");
    for (bytes, part) in [
        (&b""[..], "it is empty"),
        (b" \n\0", "expected value"),
        (b" \n", "it is empty"),
        (b"{}", "missing field `schema`"),
        (b"{\"schema\":1}", "missing field `version`"),
        (b"[]", "invalid"),
        (b"\xff", "expected value"),
        (cut, "EOF"),
        (
            later.as_bytes(),
            "it has schema 2, this program knows schema 1",
        ),
        (evil.as_bytes(), "'/'"),
    ] {
        let error = Assessment::parse(bytes).expect_err("no record").to_string();
        assert!(error.contains(part), "{error:?} without {part:?}");
    }
}

#[test]
fn a_record_counts_for_its_own_deployment_only() {
    let mine = tried(2);
    let same = mine.deployment.clone();
    assert_eq!(Assessment::of(Some(mine.clone()), same.clone()), mine);
    let later = deployment("2026-01-02T03:04:05.000000002Z");
    let nested = Deployment {
        tree: "relup/5.10.4/relup/5.10.5".to_owned(),
        ..same.clone()
    };
    for other in [later, nested] {
        let assessment = Assessment::of(Some(mine.clone()), other.clone());
        assert_eq!(assessment, Assessment::fresh(other));
    }
    assert_eq!(Assessment::of(None, same.clone()), fresh());
    // Given up, and put back by hand.
    let given_up = mine.with_given_up(LATER.to_owned());
    assert_eq!(Assessment::of(Some(given_up), same), fresh());
}

#[test]
fn a_good_tree_is_not_counted_and_never_exhausted() {
    let good = tried(1).with_ready(LATER.to_owned());
    let again = good.clone().with_attempt("later".to_owned(), None);
    assert_eq!(again, good);
    assert!(!again.is_exhausted(limit("1")));
    assert_eq!(again.with_ready("later".to_owned()), good);
    let many = Assessment {
        attempts: u32::MAX,
        ..fresh()
    };
    assert_eq!(many.with_attempt(String::new(), None).attempts, u32::MAX);
}

#[test]
fn attempts_are_used_up_at_the_limit() {
    for (attempts, text, expected) in [
        (0, "1", false),
        (1, "1", true),
        (1, "2", false),
        (2, "2", true),
        (3, "2", true),
        (2, " 3 ", false),
    ] {
        assert_eq!(
            tried(attempts).is_exhausted(limit(text)),
            expected,
            "{attempts} of {text}"
        );
    }
}

#[test]
fn what_is_no_number_from_one_on_is_no_limit() {
    for text in [
        "",
        "0",
        "00",
        "-1",
        "+3",
        "three",
        "3x",
        "1.5",
        "0x3",
        "4294967296",
        "３",
    ] {
        assert_eq!(text.parse::<AttemptLimit>(), Err(NoLimit), "{text:?}");
    }
    assert_eq!(limit("4294967295").get(), u32::MAX);
}
