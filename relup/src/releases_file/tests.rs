//! Files as OTP writes them, cut ones, and what a start could not use.

use super::*;

/// A file as the release handler writes it.
const TWO: &str = r#"%% coding: utf-8
[{release,"emqx","4.4.16","12.3",
     [{kernel,"8.2","/opt/a b/lib/kernel-8.2"},{emqx,"4.4.16","lib/emqx-4.4.16"}],
     permanent},
 {release,"emqx","4.4.0","12.2",[],old}].
"#;

fn broken(text: &str, reason: &str) {
    match parse_releases(text) {
        Ok(releases) => panic!("{text:?} was read as {releases:?}"),
        Err(error) => assert!(error.to_string().contains(reason), "{text:?}: {error}"),
    }
}

#[test]
fn the_file_of_the_release_handler_is_read_and_written() {
    let releases = parse_releases(TWO).expect("a file");
    assert_eq!(releases[0].status, ReleaseStatus::Permanent);
    assert_eq!(releases[0].libs[0].2, "/opt/a b/lib/kernel-8.2");
    assert_eq!((&*releases[1].vsn, &*releases[1].erts), ("4.4.0", "12.2"));
    assert_eq!(parse_releases(&render_releases(&releases)), Ok(releases));
}

#[test]
fn a_file_that_was_cut_anywhere_is_no_file() {
    for end in 0..TWO.trim_end().len() {
        assert!(parse_releases(&TWO[..end]).is_err(), "cut after {end}");
    }
}

#[test]
fn what_could_not_be_booted_from_is_refused() {
    broken("", "0 terms");
    broken("[]. []. ", "2 terms");
    broken("ok. ", "is no list");
    broken("[{release,1,2}].", "is no list");
    broken("[].", "0 of the releases are permanent");
    broken(&TWO.replace("old}", "permanent}"), "2 of the releases");
    broken(&TWO.replace("permanent}", "fine}"), "is no list");
    broken(&TWO.replace("\"4.4.0\"", "\"../x\""), "\"../x\"");
    broken(&TWO.replace("\"8.2\"", "\"8/2\""), "\"8/2\"");
}

#[test]
fn an_exchange_of_the_emulator_leaves_an_unpacked_release() {
    let releases = parse_releases(&TWO.replace("old}", "tmp_current}")).expect("a file");
    assert_eq!(releases[1].status, ReleaseStatus::Unpacked);
}

#[test]
fn start_erl_data_is_two_words_or_damaged() {
    let whole = StartErl {
        erts: "12.3".into(),
        vsn: "4.4.16".into(),
    };
    for text in ["12.3 4.4.16", "12.3 4.4.16\n", " 12.3\t4.4.16 "] {
        assert_eq!(StartErl::parse(text), Some(whole.clone()), "{text:?}");
    }
    for text in ["", "12.3", "12.3 ", "12.3 4.4.16 x", "12.3 ../4", "a/b c"] {
        assert_eq!(StartErl::parse(text), None, "{text:?}");
    }
    assert_eq!(StartErl::parse(&whole.render()), Some(whole));
}
