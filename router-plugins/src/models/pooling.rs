//! How the vectors of a text's tokens become one.

use std::path::Path;

use router_core::{Error, ErrorKind, Result};
use router_encoder::Pooling;
use serde_json::Value;

/// The names of `1_Pooling/config.json`, older form, beside what they mean.
const FLAGS: [(&str, Pooling); 5] = [
    ("pooling_mode_cls_token", Pooling::Cls),
    ("pooling_mode_mean_tokens", Pooling::Mean),
    ("pooling_mode_max_tokens", Pooling::Max),
    ("pooling_mode_mean_sqrt_len_tokens", Pooling::MeanSqrtLength),
    ("pooling_mode_lasttoken", Pooling::Last),
];

/// What the configuration of a sentence-transformers `Pooling` module (`1_Pooling/config.json`) asks for: either flags, of
/// which exactly one is set, or since version 5.2 a name under `pooling_mode`.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for several poolings at once, and for a pooling not among ours.
pub(super) fn of_module(config: &Value, file: &Path) -> Result<Pooling> {
    let refuse = |what: String| {
        Error::new(ErrorKind::Unsupported, what)
            .in_file(file)
            .help("supported: one of cls, mean, max, mean_sqrt_len_tokens, lasttoken")
    };
    if let Some(mode) = config.get("pooling_mode") {
        return match mode.as_str() {
            Some("cls") => Ok(Pooling::Cls),
            Some("mean") => Ok(Pooling::Mean),
            Some("max") => Ok(Pooling::Max),
            Some("mean_sqrt_len_tokens") => Ok(Pooling::MeanSqrtLength),
            Some("lasttoken") => Ok(Pooling::Last),
            _ => Err(refuse(format!("pooling {mode} is not supported")).at_field("pooling_mode")),
        };
    }
    let set = |name: &str| config.get(name).and_then(Value::as_bool).unwrap_or(false);
    if set("pooling_mode_weightedmean_tokens") {
        return Err(refuse("pooling weighted by position is not supported".to_owned())
            .at_field("pooling_mode_weightedmean_tokens"));
    }
    let mut chosen = FLAGS.into_iter().filter(|(name, _)| set(name));
    match (chosen.next(), chosen.next()) {
        (Some((_, pooling)), None) => Ok(pooling),
        (None, _) => Ok(Pooling::default()),
        (Some(_), Some((name, _))) => {
            Err(refuse("several poolings side by side are not supported".to_owned()).at_field(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_the_configuration_are_read() {
        let read = |config: Value| of_module(&config, Path::new("1_Pooling/config.json"));
        for (name, pooling) in FLAGS {
            let mut config = json!({ "word_embedding_dimension": 384, "pooling_mode_mean_tokens": false });
            config[name] = true.into();
            assert_eq!(read(config).unwrap(), pooling);
        }
        assert_eq!(read(json!({ "pooling_mode": "cls" })).unwrap(), Pooling::Cls);
        assert_eq!(read(json!({})).unwrap(), Pooling::Mean);
        let both = read(json!({ "pooling_mode_cls_token": true, "pooling_mode_max_tokens": true })).unwrap_err();
        assert_eq!((both.kind(), both.field()), (ErrorKind::Unsupported, Some("pooling_mode_max_tokens")));
        let weighted = read(json!({ "pooling_mode_weightedmean_tokens": true })).unwrap_err();
        assert_eq!(weighted.kind(), ErrorKind::Unsupported);
        assert_eq!(read(json!({ "pooling_mode": 3 })).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
