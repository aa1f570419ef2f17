//! Decisions, one and many.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::world::{fitted, router_in, transcript};

fn stream(stdin: Stdio) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("router"))
        .current_dir(fitted())
        .args(["route", "--router", "artifact", "-"])
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_single_prompt_gets_a_name() {
    let route = |prompt: &str| {
        let output = router_in(fitted()).args(["route", "--router", "artifact", prompt]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(route("Write a short poem about a golden harbor, with rhyme and verse."), "poet\n");
    assert_eq!(route("Solve the equation 31 x + 5 = 99 for x. Show the algebra of every step."), "solver\n");
}

#[test]
fn constraints_are_kept() {
    let route = |constraints: &[&str]| {
        let mut command = router_in(fitted());
        command.args(["route", "--router", "artifact"]).args(constraints);
        let output = command.arg("Solve the equation 31 x + 5 = 99 for x, with algebra.").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(route(&[]), "solver\n");
    assert_eq!(route(&["--unavailable", "solver"]), "thrifty\n");
    assert_eq!(route(&["--allow", "poet"]), "poet\n");
    assert_eq!(route(&["--require-tag", "prose", "--require-tag", "tools"]), "thrifty\n");
    assert_eq!(route(&["--maximum-cost", "0.0005"]), "thrifty\n");
    assert_eq!(route(&["--prompt-tokens", "2000"]), "thrifty\n");
    assert_eq!(route(&["--prompt-tokens", "900", "--maximum-output-tokens", "200"]), "thrifty\n");
}

#[test]
fn an_explanation_tells_it_all() {
    let prompt = "Write a short poem about a golden harbor, with rhyme and verse.";
    let text =
        transcript(fitted(), &["route", "--router", "artifact", "--explain", "--unavailable", "solver", prompt], "");
    for part in [
        "model     poet",
        "because",
        "score",
        "fallback  thrifty",
        "task",
        "quality",
        "cost",
        "not eligible",
        "unavailable",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn a_stream_keeps_its_order() {
    let mut input = String::new();
    for at in 0..1000 {
        let prompt =
            if at % 3 == 0 { "Solve the equation 3 x = 9 for x." } else { "Write a poem with rhyme and verse." };
        let mut line = json!({ "prompt": prompt, "prompt_id": format!("id-{at}") });
        if at == 500 {
            line["allowed_models"] = json!(["thrifty"]);
        }
        if at == 501 {
            line["required_tags"] = json!(["telepathy"]);
        }
        input.push_str(&format!("{line}\n"));
    }
    let output = router_in(fitted()).args(["route", "--router", "artifact", "-"]).write_stdin(input).output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 1000);
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["prompt_id"], format!("id-{at}"));
        let expected = match at {
            500 => json!("thrifty"),
            501 => Value::Null,
            _ if at % 3 == 0 => json!("solver"),
            _ => json!("poet"),
        };
        assert_eq!(answer["model"], expected, "{answer}");
    }
}

#[test]
fn a_data_set_s_prompts_can_be_piped_in_and_chats_too() {
    let prompts = std::fs::read_to_string(fitted().join("test/prompts.jsonl")).unwrap();
    let output = router_in(fitted()).args(["route", "--router", "artifact"]).write_stdin(prompts).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 120);
    let chat = r#"{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Solve the equation 3 x = 9 for x."}]}"#;
    let output = router_in(fitted()).args(["route", "--router", "artifact", "-"]).write_stdin(chat).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["model"], "solver");
}

#[test]
fn whoever_waits_for_an_answer_gets_it() {
    let mut child = stream(Stdio::piped());
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in ["first", "second"] {
        // The input stays open: only an answer that is not held back lets this go on.
        writeln!(input, "{}", json!({ "prompt": "Write a poem.", "prompt_id": id })).unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["prompt_id"], id);
    }
    drop(input);
    assert!(answers.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = stream(Stdio::piped());
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let line = format!("{}\n", json!({ "prompt": "Write a poem with rhyme and verse." }));
        for _ in 0..200_000 {
            if input.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    answers.read_line(&mut first).unwrap();
    drop(answers);
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
