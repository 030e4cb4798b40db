//! The pages of the book and of what it links to.

use e2e::sample::workspace;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A page: its file and its text.
pub struct Page {
    pub file: PathBuf,
    pub text: String,
}

/// All pages of `docs/`.
pub fn pages() -> e2e::Result<Vec<Page>> {
    let mut pages = Vec::new();
    for entry in fs_err::read_dir(workspace().join("docs"))? {
        let file = entry?.path();
        if file.extension() == Some("md".as_ref()) {
            let text = fs_err::read_to_string(&file)?;
            pages.push(Page { file, text });
        }
    }
    assert!(pages.len() > 8, "{} pages", pages.len());
    Ok(pages)
}

/// What stands between two fences of a kind.
pub fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let parts = text.split("\n```").skip(1).step_by(2);
    let parts = parts.filter_map(|part| part.split_once('\n'));
    let parts = parts.filter(|(language, _)| *language == kind);
    parts.map(|(_, block)| block).collect()
}

/// Text without what is in fences.
pub fn prose(text: &str) -> String {
    let parts = text.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// Targets of links, as they are written.
fn links(text: &str) -> Vec<&str> {
    let parts = text.split("](").skip(1);
    parts
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .collect()
}

/// The anchor that mdBook and most forges make of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.map(|char| if char == ' ' { '-' } else { char })
        .collect()
}

fn anchors(file: &Path) -> e2e::Result<BTreeSet<String>> {
    let text = prose(&fs_err::read_to_string(file)?);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    Ok(headings.map(anchor).collect())
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() -> e2e::Result<()> {
    let mut files = pages()?
        .into_iter()
        .map(|page| page.file)
        .collect::<Vec<_>>();
    for other in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "packaging/ansible/README.md",
    ] {
        files.push(workspace().join(other));
    }
    let mut followed = 0;
    for file in files {
        let text = prose(&fs_err::read_to_string(&file)?);
        for link in links(&text)
            .into_iter()
            .filter(|link| !link.contains("://"))
        {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().unwrap_or(&file).join(path),
            };
            assert!(target.exists(), "{}: {link}", file.display());
            let found = heading.is_empty() || anchors(&target)?.contains(heading);
            assert!(found, "{}: no such heading: {link}", file.display());
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed} links");
    Ok(())
}

#[test]
fn the_summary_names_every_page_once() -> e2e::Result<()> {
    let docs = workspace().join("docs");
    let summary = fs_err::read_to_string(docs.join("SUMMARY.md"))?;
    let mut named = links(&summary)
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    named.push("SUMMARY.md".to_owned());
    named.sort();
    let mut there = pages()?
        .into_iter()
        .filter_map(|page| Some(page.file.file_name()?.to_str()?.to_owned()))
        .collect::<Vec<_>>();
    there.sort();
    assert_eq!(named, there);
    assert!(fs_err::read_to_string(docs.join("book.toml"))?.contains("src = \".\""));
    Ok(())
}

#[test]
fn the_known_differences_are_those_of_the_compliance_suite() -> e2e::Result<()> {
    let rows = |file: &str| -> e2e::Result<Vec<String>> {
        let text = fs_err::read_to_string(workspace().join(file))?;
        let rows = text.lines().filter(|line| {
            let mut start = line.chars().skip(2);
            line.starts_with("| ") && start.next().is_some_and(|char| char.is_ascii_digit())
        });
        Ok(rows
            .filter(|line| line.contains('.'))
            .map(str::to_owned)
            .collect())
    };
    let of_suite = rows("tests/compliance/README.md")?;
    let suite = of_suite
        .iter()
        .filter(|row| row.split('|').count() == 5 && row[2..].find('.') < row[2..].find(' '));
    let suite = suite.cloned().collect::<Vec<_>>();
    assert!(suite.len() > 10, "{suite:#?}");
    assert_eq!(rows("docs/differences.md")?, suite);
    Ok(())
}
