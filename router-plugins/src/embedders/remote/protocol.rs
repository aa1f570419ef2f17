//! What is asked and what is answered: the `embeddings` of the OpenAI API.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use router_core::{Error, ErrorKind, Matrix, Result};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::embedders::remote::config::{Encoding, RemoteConfig};

/// d at most, where it is not known yet.
const LARGEST_DIMENSION: usize = 65_536;
/// Bytes of a number in JSON at most.
const BYTES_OF_A_NUMBER: usize = 32;
/// Bytes of everything else in an answer at most.
const BYTES_OF_THE_REST: usize = 1 << 20;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: Encoding,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vector,
}

/// A vector as it comes: numbers, of which a NaN is null, or base64.
enum Vector {
    Numbers(Vec<Option<f64>>),
    Base64(String),
}

/// The document that asks for the vectors of `inputs`.
pub(super) fn request(config: &RemoteConfig, inputs: &[String]) -> Result<Vec<u8>> {
    let request =
        Request { model: &config.model, input: inputs, encoding_format: config.encoding, dimensions: config.dimension };
    serde_json::to_vec(&request)
        .map_err(|source| Error::new(ErrorKind::Internal, "a request is not JSON").caused_by(source))
}

/// Bytes that an honest answer for `count` texts does not exceed.
pub(super) fn maximum_bytes(count: usize, dimension: Option<usize>) -> u64 {
    (BYTES_OF_THE_REST + count * dimension.unwrap_or(LARGEST_DIMENSION) * BYTES_OF_A_NUMBER) as u64
}

/// The vectors of an answer for `count` texts, in the order of the texts, or what is wrong with it. Without a `dimension`, all must
/// be of one. `answer` may be repeated in what is wrong.
pub(super) fn read(answer: &[u8], count: usize, dimension: Option<usize>) -> Result<Matrix, String> {
    let Answer { data } = serde_json::from_slice(answer).map_err(|error| {
        if answer.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') {
            "it is a web page".to_owned()
        } else {
            error.to_string()
        }
    })?;
    if data.len() != count {
        return Err(format!("{} vectors where {count} were asked for", data.len()));
    }
    let mut rows: Vec<Option<Vec<f32>>> = vec![None; count];
    let mut dimension = dimension;
    for Item { index, embedding } in data {
        let row = rows.get_mut(index).ok_or_else(|| format!("index {index} of {count} texts"))?;
        if row.is_some() {
            return Err(format!("index {index} stands twice"));
        }
        let vector = numbers(embedding).map_err(|wrong| format!("vector {index}: {wrong}"))?;
        let d = *dimension.get_or_insert(vector.len());
        if vector.len() != d || d == 0 {
            return Err(format!("vector {index} has {} numbers where {d} belong", vector.len()));
        }
        *row = Some(vector);
    }
    let d = dimension.unwrap_or_default();
    let data: Vec<f32> = rows.into_iter().flatten().flatten().collect();
    Matrix::from_vec(count, d, data).map_err(|error| error.to_string())
}

fn numbers(vector: Vector) -> Result<Vec<f32>, String> {
    let vector: Vec<f32> = match vector {
        Vector::Numbers(numbers) => numbers
            .into_iter()
            .enumerate()
            .map(|(at, number)| number.map(|number| number as f32).ok_or_else(|| format!("number {at} is null")))
            .collect::<Result<_, _>>()?,
        Vector::Base64(text) => {
            let bytes = STANDARD.decode(text).map_err(|error| format!("it is not base64: {error}"))?;
            let (numbers, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(format!("{} bytes are not a whole number of f32", bytes.len()));
            }
            numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
    };
    match vector.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(format!("number {at} is not finite")),
        None => Ok(vector),
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Vector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers or base64")
            }

            fn visit_str<E>(self, text: &str) -> Result<Vector, E> {
                Ok(Vector::Base64(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vector, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = items.next_element()? {
                    numbers.push(number);
                }
                Ok(Vector::Numbers(numbers))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(index: usize, embedding: &str) -> String {
        format!(r#"{{"object": "embedding", "index": {index}, "embedding": {embedding}}}"#)
    }

    fn read_items(items: &[String], count: usize, dimension: Option<usize>) -> Result<Matrix, String> {
        read(
            format!(r#"{{"object": "list", "data": [{}], "usage": {{}}}}"#, items.join(", ")).as_bytes(),
            count,
            dimension,
        )
    }

    #[test]
    fn the_request_is_that_of_the_api() {
        let mut config = RemoteConfig { model: "m".into(), ..RemoteConfig::default() };
        let asked = |config: &RemoteConfig| String::from_utf8(request(config, &["a\"b".into()]).unwrap()).unwrap();
        assert_eq!(asked(&config), r#"{"model":"m","input":["a\"b"],"encoding_format":"float"}"#);
        config.encoding = Encoding::Base64;
        config.dimension = Some(8);
        assert_eq!(asked(&config), r#"{"model":"m","input":["a\"b"],"encoding_format":"base64","dimensions":8}"#);
    }

    #[test]
    fn vectors_are_put_into_the_order_of_the_texts() {
        let items = [item(2, "[5, 6]"), item(0, "[1, -2.5e-1]"), item(1, "\"AACAPwAAAMA=\"")];
        let vectors = read_items(&items, 3, Some(2)).unwrap();
        // 1.0 and -2.0 in base64, by Python's base64.b64encode(struct.pack("<2f", 1, -2)).
        assert_eq!(vectors.as_slice(), [1.0, -0.25, 1.0, -2.0, 5.0, 6.0]);
        assert_eq!(read_items(&items, 3, None).unwrap(), vectors);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let two = |a: &str, b: &str| read_items(&[item(0, a), item(1, b)], 2, Some(2)).unwrap_err();
        assert_eq!(two("[1, 2]", "[1]"), "vector 1 has 1 numbers where 2 belong");
        assert_eq!(two("[1, null]", "[1, 2]"), "vector 0: number 1 is null");
        assert_eq!(two("[1, 1e39]", "[1, 2]"), "vector 0: number 1 is not finite");
        assert_eq!(two("[1, 2]", "\"AADAfwAAAMA=\""), "vector 1: number 0 is not finite");
        assert_eq!(two("[1, 2]", "\"AADAfwA=\""), "vector 1: 5 bytes are not a whole number of f32");
        assert!(two("[1, 2]", "\"#\"").starts_with("vector 1: it is not base64"));
        assert!(two("[1, NaN]", "[1, 2]").contains("expected"));
        assert!(two("[1, \"2\"]", "[1, 2]").contains("invalid type"));
        let wrong = |items: &[String], d| read_items(items, 2, d).unwrap_err();
        assert_eq!(wrong(&[item(0, "[1]"), item(0, "[1]")], Some(1)), "index 0 stands twice");
        assert_eq!(wrong(&[item(0, "[1]"), item(2, "[1]")], Some(1)), "index 2 of 2 texts");
        assert_eq!(wrong(&[item(0, "[1]")], Some(1)), "1 vectors where 2 were asked for");
        assert_eq!(wrong(&[item(0, "[1]"), item(1, "[1, 2]")], None), "vector 1 has 2 numbers where 1 belong");
        assert_eq!(wrong(&[item(0, "[]"), item(1, "[]")], None), "vector 0 has 0 numbers where 0 belong");
        assert!(wrong(&[item(0, "[1]"), r#"{"embedding": [1]}"#.into()], None).contains("missing field `index`"));
        assert!(read(br#"{"error": "no"}"#, 1, None).unwrap_err().contains("missing field `data`"));
        assert_eq!(read(b"\n <html>", 1, None).unwrap_err(), "it is a web page");
        assert!(read(b"", 1, None).unwrap_err().contains("EOF"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_or_a_sound_matrix(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0..4_usize) {
            if let Ok(matrix) = read(&bytes, count, Some(3)) {
                prop_assert_eq!(matrix.rows(), count);
            }
        }

        #[test]
        fn numbers_travel_to_the_bit(values in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO, 1..50)) {
            let json = serde_json::to_string(&values).unwrap();
            let base64 = format!("{:?}", STANDARD.encode(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()));
            for embedding in [json, base64] {
                let read = read_items(&[item(0, &embedding)], 1, None).unwrap();
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(read.as_slice()), bits(&values));
            }
        }
    }
}
