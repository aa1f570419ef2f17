use super::*;

const SOUND: &str = r#"
[server]
request_bytes = 65536
[[upstreams]]
name = "a"
base_url = "https://a.example/v1"
[[models]]
model = "small"
served_by = [{ upstream = "a", model = "small-1" }]
[[models]]
model = "embed"
routed = false
served_by = [{ upstream = "a" }]
[[pools]]
name = "cheap"
models = ["small"]
maximum_cost_usd = 0.01
"#;

#[test]
fn mistakes_name_file_line_and_field() {
    let config = ServeConfig::from_toml(SOUND, "serve.toml").unwrap();
    assert_eq!(config.server.request_bytes, 65536);
    let cases = [
        ("request_bytes = 65536", "request_bytes = 5", "serve.toml:3: `server.request_bytes`: 5 is out of range"),
        ("request_bytes = 65536", "request_bites = 5", "serve.toml:3: `server.request_bites`: unknown field"),
        ("request_bytes = 65536", "request_bytes = \"5\"", "serve.toml:3: `server.request_bytes`: invalid type"),
        (
            "base_url = \"https",
            "base_url = \"ftp",
            "serve.toml:6: `upstreams[0].base_url`: `ftp://a.example/v1` is not",
        ),
        (
            "https://a",
            "https://key@a",
            "serve.toml:6: `upstreams[0].base_url`: `https://key@a.example/v1` holds a user",
        ),
        (
            "{ upstream = \"a\", ",
            "{ upstream = \"b\", ",
            "serve.toml:9: `models[0].served_by[0].upstream`: there is no upstream",
        ),
        ("\"embed\"", "\"small\"", "serve.toml:11: `models[1].model`: model `small` stands twice"),
        ("\"embed\"", "\"auto\"", "serve.toml:11: `models[1].model`: `auto` is not a name here"),
        ("\"cheap\"", "\"small\"", "serve.toml:15: `pools[0].name`: the name `small` stands for something"),
        (
            "models = [\"small\"]",
            "models = [\"large\"]",
            "serve.toml:16: `pools[0].models[0]`: there is no model `large`",
        ),
        ("models = [\"small\"]", "models = [\"embed\"]", "serve.toml:16: `pools[0].models[0]`: `embed` is not routed"),
        ("maximum_cost_usd = 0.01", "maximum_cost_usd = -1", "serve.toml:17: `pools[0].maximum_cost_usd`: -1"),
        (
            "name = \"a\"",
            "name = \"a\"\nkey_file = \"k\"\nkey_environment = \"K\"",
            "serve.toml:6: `upstreams[0].key_file`: the key has two places",
        ),
    ];
    for (sound, wrong, message) in cases {
        assert!(SOUND.contains(sound), "{sound}");
        let error = ServeConfig::from_toml(&SOUND.replacen(sound, wrong, 1), "serve.toml").unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}\nexpected {message}");
    }
}

#[test]
fn the_example_is_sound() {
    let config = ServeConfig::from_toml(include_str!("../../../docs/configs/serve.toml"), "serve.toml").unwrap();
    assert_eq!((config.upstreams.len(), config.models.len(), config.pools.len()), (2, 3, 1));
}
