//! Files that are no artifacts, or damaged ones: an error that says where, and never a panic.

use crate::Folder;
use crate::common::random::Random;
use tachometer::Error;
use tachometer::testing::artifact::{Artifact, Run};
use tachometer::testing::{Collector, ProcessMemory};

/// The bytes of an artifact that has something of everything.
fn sound() -> Vec<u8> {
    let (folder, test) = (Folder::new(), Collector::new());
    let size = test.registry().histogram("size", "Sizes.").unwrap();
    (0..100).for_each(|value| size.record(value * value));
    test.registry().counter("done_total", "Done.").unwrap().add(7);
    let artifact =
        Artifact::builder("run").seed(1).fact("a", 1).fact("b", "c").create(folder.file());
    let artifact = artifact.unwrap();
    artifact.event("one", "two");
    artifact.memory(ProcessMemory::read().unwrap());
    artifact.metrics(test.total().snapshot());
    artifact.fail("why").unwrap();
    std::fs::read(folder.file()).unwrap()
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error_that_says_where() {
    let sound = sound();
    Run::parse(&sound).unwrap();
    // The last byte is the end of the line.
    for end in 0..sound.len() - 1 {
        let error = Run::parse(&sound[..end]).unwrap_err();
        let Error::Unreadable { what, at, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*what, "artifact of a run");
        assert!(at.starts_with("line ") || at == "its beginning", "{error}");
    }
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused() {
    let sound = sound();
    let mut random = Random::new(5);
    for _ in 0..4_000 {
        let mut bytes = sound.clone();
        for _ in 0..=random.below(2) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        if let Err(error) = Run::parse(&bytes) {
            assert!(
                error.to_string().starts_with("cannot read this artifact of a run at "),
                "{error}"
            );
        }
    }
}

#[test]
fn each_error_says_what_was_expected_and_where() {
    let sound = String::from_utf8(sound()).unwrap();
    let said = |from: &str, to: &str| {
        assert!(sound.contains(from), "{from}");
        Run::parse(sound.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    let cases = [
        (
            said("\"tachometer-artifact\"", "\"other\""),
            "at $: it does not say format \"tachometer-artifact\"",
        ),
        (said("\"version\":1", "\"version\":2"), "at $.version: version 1 was expected"),
        (
            said("\"failed\"", "\"fine\""),
            "at $.status: running, passed, failed or stopped was expected",
        ),
        (
            said("\"name\":\"one\"", "\"name\":1"),
            "at $.events[0].name: a string was expected, not 1",
        ),
        (
            said("\"a\":1.0", "\"a\":[]"),
            "at $.facts.a: a text, a number, true or false was expected",
        ),
        (said("\"threads\":", "\"thread\":"), "at $.memory[0]: it has no \"threads\""),
        (
            said("\"count\":100", "\"count\":99"),
            "at $.metrics.families[1].series[0].value.count: the buckets",
        ),
        (said("\"seed\":1", "\"seed\":-1"), "at $.seed: an integer from 0"),
    ];
    for (said, part) in cases {
        assert!(said.contains(part), "{said}");
    }
    for (bytes, part) in
        [(&b""[..], "it is empty"), (b" \n", "it is empty"), (b"{}", "it has no \"format\"")]
    {
        let error = Run::parse(bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let folder = Folder::new();
    std::fs::write(folder.file(), "{\"format\":").unwrap();
    let error = Run::read(folder.file()).unwrap_err().to_string();
    assert!(error.contains("run.json, line 1 column 10: EOF"), "{error}");
    let error = Run::read(folder.0.join("none.json")).unwrap_err().to_string();
    assert!(error.contains("none.json") && error.contains("No such file"), "{error}");
}
