//! What cannot be read is refused by line, and says nothing of what is there.

use super::{SuspectWire, lines};
use crate::mark_questions::MarkQuestion;

fn answers(text: &str) -> Result<Vec<Option<SuspectWire>>, crate::AppError> {
    lines("mark-answers", "answers", text.as_bytes())
}

#[test]
fn answers_are_read_as_the_api_writes_them_and_none_is_null() {
    let api = r#"{"prediction_time":"x","coarse":true,"targets":[{"code":"HR","kind":"value",
        "points":[{"horizon_hours":6,"mean":81,"q50":80,"q05":70}],"label":null}]}"#;
    let text = format!("{}\nnull\n\n", api.replace('\n', " "));
    let read = answers(&text).unwrap();
    assert_eq!(read.len(), 2);
    let target = &read[0].as_ref().unwrap().targets[0];
    assert_eq!((target.points[0].q50, target.points[0].mean), (Some(80.0), Some(81.0)));
    assert!(read[1].is_none());
    assert!(answers("").unwrap().is_empty());
}

#[test]
fn what_is_no_answer_is_refused_and_not_repeated() {
    let deep = "[".repeat(100_000);
    let broken = [
        r#"{"targets":[{"code":"se"#,
        r#"{"targets":[{"code":"secret","points":[{"q50":"secret"}]}]}"#,
        r#"{"targets":[{"code":"secret","points":[{"q50":1e999}]}]}"#,
        r#"{"targets":"secret"}"#,
        "secret",
        "\u{feff}null",
        deep.as_str(),
    ];
    for text in broken {
        let error = answers(&format!("null\n{text}")).err().unwrap();
        assert_eq!(error.code(), "mark-answers");
        let said = format!("{error:?}");
        assert!(said.contains("line 2") && !said.contains("secret"), "{said}");
    }
    let many = "null\n".repeat(10_001);
    assert_eq!(answers(&many).err().unwrap().code(), "mark-answers");
}

#[test]
fn a_question_has_no_other_fields() {
    let read = |text: &str| lines::<MarkQuestion>("mark-questions", "questions", text.as_bytes());
    let good = r#"{"events":[{"time":1.0,"code":"HR","value":80}],"prediction_time":1,"horizons_hours":[6]}"#;
    assert_eq!(read(good).unwrap().len(), 1);
    assert!(read(&good.replace("\"events\"", "\"secret\":1,\"events\"")).is_err());
}
