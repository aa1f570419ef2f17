//! Small files in the shape of every format, made for these tests. The `FAULTY` ones have a fault a row or so, and something sound.

/// Files by their paths below a directory.
pub(super) type Files = &'static [(&'static str, &'static [u8])];

pub(super) const ROUTELLM: Files = &[(
    "sums.csv",
    b"prompt,small-7b,org/big\n\"What is 2 + 2?\nA. 4\",True,True\nProve it.,False,True\n\"a, b\",,1\n",
)];
pub(super) const ROUTELLM_FOLDER: Files = &[
    ("mmlu_law.csv", b"prompt,small-7b,org/big\nWho may sue?,0.25,1\n"),
    ("mmlu_art.csv", b",prompt,small-7b,org/big\n0,Who painted this?,True,False\n"),
];
pub(super) const ROUTELLM_FAULTY: Files =
    &[("faulty.csv", b"prompt,small,big\nfine,True,False\n,True,False\nbad,maybe,2\nshort,True\n\"open,True,True\n")];

pub(super) const EMBEDLLM: Files = &[(
    "train.csv",
    b"prompt_id,model_id,category_id,label,model_name,category,prompt\n\
      7,1,0,1,org__big,law,Who may sue?\n\
      7,0,0,0,small,law,Who may sue?\n\
      12,1,1,1,org__big,math,\"2 + 2 =\"\n\
      12,0,1,1.0,small,math,\"2 + 2 =\"\n\
      12,0,1,0,small,algebra,\"2 + 2 =\"\n",
)];
pub(super) const EMBEDLLM_FAULTY: Files = &[(
    "train.csv",
    b"prompt_id,model_id,category_id,label,model_name,category,prompt\n\
      1,0,0,1,small,law,Who may sue?\n\
      ,0,0,1,small,law,no id\n\
      2,x,0,7,,law,\n\
      3,0,0,1,small,law\n",
)];

pub(super) const ROUTERBENCH: Files = &[(
    "routerbench.csv",
    b"sample_id,prompt,eval_name,org/big,small,org/big|model_response,small|model_response,org/big|total_cost,small|total_cost,oracle_model_to_route_to\n\
      law.1,\"['Who may sue?\\nA) all']\",law,1.0,0.0,['A'],['B'],0.002,0.0001,org/big\n\
      chat.1,\"['Write a story.', \"\"Make it's end sad.\"\"]\",mt-bench,0.9,0.45,['x'],['y'],0.01,,org/big\n\
      plain.1,just text,law,0,,['x'],,0.001,,no_model_correct\n",
)];
pub(super) const ROUTERBENCH_FAULTY: Files = &[(
    "routerbench.csv",
    b"sample_id,prompt,eval_name,big,small,big|total_cost,small|total_cost,small|latency\n\
      a,['fine'],law,1,0,0.1,0.2,3\n\
      a,['again'],law,1,0,0.1,0.2,3\n\
      ,['no id'],law,1,0,0.1,0.2,3\n\
      b,,law,1,0,0.1,0.2,3\n\
      c,['bad'],law,good,1.5,-0.1,inf,3\n",
)];

pub(super) const LLMROUTER: Files = &[
    (
        "query_data/default_query_train.jsonl",
        br#"{"task_name": "gsm8k", "query": "Two and two?", "ground_truth": "4", "metric": "GSM8K", "choices": null, "task_id": null}
{"task_name": "mbpp", "query": "Write f.", "ground_truth": null, "metric": "code_eval", "choices": null, "task_id": "MBPP/3"}
{"task_name": "gsm8k", "query": "Never asked.", "ground_truth": "1", "metric": "GSM8K", "choices": null, "task_id": null}
"#,
    ),
    (
        "routing_data/default_routing_train_data.jsonl",
        br#"{"task_name": "gsm8k", "query": "Two and two?", "ground_truth": "4", "metric": "GSM8K", "choices": null, "task_id": null, "model_name": "small-7b", "response": "5", "token_num": 14, "input_tokens": 12, "output_tokens": 2, "response_time": 0.5, "performance": 0.0, "embedding_id": 0, "user_id": null}
{"task_name": "gsm8k", "query": "Two and two?", "ground_truth": "4", "metric": "GSM8K", "choices": null, "task_id": null, "model_name": "big-70b", "response": "4", "token_num": 14, "input_tokens": 12, "output_tokens": 2, "response_time": 1.5, "performance": 1.0, "embedding_id": 0, "user_id": null}
{"task_name": "gsm8k", "query": "Two and two?", "ground_truth": "4", "metric": "GSM8K", "choices": null, "task_id": null, "model_name": "big-70b", "response": "5", "token_num": 15, "input_tokens": 12, "output_tokens": 3, "response_time": 1.5, "performance": 0.5, "embedding_id": 0, "user_id": null}
{"task_name": "mbpp", "query": "Write f.", "ground_truth": null, "metric": "code_eval", "choices": null, "task_id": "MBPP/3", "model_name": "big-70b", "response": "", "token_num": null, "input_tokens": null, "output_tokens": null, "response_time": 1.5, "performance": null, "embedding_id": 1, "user_id": null}
"#,
    ),
    (
        "llm_candidates/default_llm.json",
        br#"{
  "big-70b": {"size": "70B", "feature": "big", "input_price": 0.9, "output_price": 0.9, "model": "org/big-70b", "service": "X", "api_endpoint": "https://example.org"},
  "small-7b": {"size": "7B", "feature": "small", "input_price": 0.2, "output_price": 0.2, "model": "org/small-7b"},
  "idle": {"size": "1B"}
}
"#,
    ),
    ("llm_candidates/default_llm_embeddings.json", br#"{"big-70b": {"embedding": [0.1, 0.2]}}"#),
];
pub(super) const LLMROUTER_FAULTY: Files = &[
    (
        "routing.jsonl",
        br#"{"task_name": "a", "query": "fine", "model_name": "m", "performance": 1, "input_tokens": 3, "output_tokens": 4}
{"task_name": "a", "query": "fine", "model_name": "m2", "performance": 1.2, "input_tokens": -3, "output_tokens": 0.5}
{"task_name": "a", "model_name": "m", "performance": 1}
{"task_name": "a", "query": "half
{"task_name": "a", "query": "x", "query": "y", "model_name": "m", "performance": 1}
{"task_name": ["a"], "query": "x", "model_name": null, "performance": "high"}
[1, 2]
"#,
    ),
    ("llm.json", b"{\n  \"m\": {\"input_price\": 1,\n    \"output_price\": -2},\n  \"n\": 3\n}\n"),
];

pub(super) const LLMROUTERBENCH: Files = &[
    (
        "results/bench/aime/hybrid/big/aime-hybrid-big-20250101_000000.json",
        br#"{"performance": 0.0, "model_name": "big", "dataset_name": "aime", "split": "hybrid", "demo": false, "records": [
  {"index": 1, "origin_query": "Old?", "prompt": "Old?", "score": 0.0}
]}"#,
    ),
    (
        "results/bench/aime/hybrid/big/aime-hybrid-big-20250301_120000.json",
        br#"{"performance": 0.5, "time_taken": 1.5, "prompt_tokens": 40, "completion_tokens": 9, "cost": 0.3, "counts": 2,
 "model_name": "big", "dataset_name": "aime", "split": "hybrid", "demo": false, "extra_metrics": {}, "records": [
  {"index": 1, "origin_query": "2 + 2?", "prompt": "Question: 2 + 2?\nAnswer:", "prompt_tokens": 15, "completion_tokens": 5, "cost": 0.1,
   "score": 1.0, "prediction": "4", "ground_truth": "4", "raw_output": "4", "extra_fields": {}},
  {"index": 2, "origin_query": "3 + 3?", "prompt": [{"role": "system", "content": "Add."}, {"role": "user", "content": "3 + 3?"}],
   "prompt_tokens": 25, "completion_tokens": 4, "cost": 0.2, "score": null, "prediction": "", "ground_truth": "6", "raw_output": null}
]}"#,
    ),
    (
        "results/bench/aime/hybrid/small/aime-hybrid-small-20250301_120000.json",
        br#"{"model_name": "small", "dataset_name": "aime", "split": "hybrid", "records": [
  {"index": 1, "origin_query": "2 + 2?", "prompt": "Question: 2 + 2?\nAnswer:", "prompt_tokens": 15, "completion_tokens": 50, "cost": 0.0, "score": 0.0},
  {"index": 2, "origin_query": "3 + 3?", "prompt": "Other text", "prompt_tokens": 25, "completion_tokens": 4, "cost": 0.0, "score": 0.5}
]}"#,
    ),
    ("results/bench/aime/hybrid/small/demo-20250401_120000.json", br#"{"model_name": "small", "demo": true, "records": []}"#),
];
pub(super) const LLMROUTERBENCH_FAULTY: Files = &[
    (
        "bench/set/test/m/a.json",
        b"{\"model_name\": \"m\",\n\"records\": [\n{\"index\": 1, \"prompt\": \"fine\", \"score\": 1},\n{\"index\": 2,\n \"prompt\": \"\",\n \"score\": 3},\n7,\n{\"prompt\": \"no index\", \"score\": 1, \"cost\": -1}\n]}\n",
    ),
    ("bench/set/test/n/b.json", b"{\"model_name\": \"n\",\n\"records\": [\n{]}\n"),
    ("bench/set/test/o/c.json", b"{\"model_name\": \"o\"}\n"),
    ("bench/set/test/p/d.json", b"{\"model_name\": 5, \"records\": []}\n"),
];

pub(super) const ROUTERARENA: Files = &[
    (
        "router_inference/predictions/my-router.json",
        br#"[
  {"global index": "ArcMMLU_655", "prompt": "Life of a firm?", "prediction": "org/big", "generated_result": {"generated_answer": "A",
   "success": true, "token_usage": {"input_tokens": 90, "output_tokens": 7, "total_tokens": 97}, "provider": "x"},
   "cost": 0.0004, "accuracy": 1.0, "for_optimality": false},
  {"global index": "ArcMMLU_655", "prompt": "Life of a firm?", "prediction": "small", "generated_result": null,
   "cost": null, "accuracy": 0.0, "for_optimality": true},
  {"global index": "GSM8K_3", "prompt": "Two and two?", "prediction": "small", "generated_result": null, "cost": null, "accuracy": null,
   "for_optimality": false}
]
"#,
    ),
    ("router_inference/predictions/my-router-robustness.json", br#"[{"global index": "ArcMMLU_655", "prompt": "Lief of a fimr?", "prediction": "small"}]"#),
    ("router_inference/config/my-router.json", br#"{"pipeline_params": {"router_name": "my-router", "models": ["small", "org/big"]}}"#),
    (
        "model_cost/model_cost.json",
        br#"{"small": {"input_token_price_per_million": 0.1, "output_token_price_per_million": 0.4},
 "unused": {"input_token_price_per_million": 1, "output_token_price_per_million": 2},
 "org/big": {"input_token_price_per_million": 2.5, "output_token_price_per_million": 10}}
"#,
    ),
];
pub(super) const ROUTERARENA_FAULTY: Files = &[
    (
        "predictions.json",
        b"[\n{\"global index\": \"a_1\", \"prompt\": \"fine\", \"prediction\": \"m\", \"accuracy\": 1},\n{\"prompt\": \"x\", \"prediction\": \"m\", \"accuracy\": true},\n{\"global index\": \"a_2\", \"prompt\": \"x\", \"prediction\": \"\", \"accuracy\": \"yes\", \"cost\": \"free\"},\n\"text\"\n]\n",
    ),
    ("cost.json", b"{\"m\": {\"input_token_price_per_million\": 1,\n\"output_token_price_per_million\": -1},\n\"n\": []}\n"),
];

pub(super) const LONG: Files = &[(
    "table.csv",
    b"prompt_id,prompt,model,quality,benchmark,cost_usd,input_tokens,output_tokens,note\n\
      a,Who may sue?,big,1,law,0.002,10,20.0,x\n\
      a,,small,0.5,law,,,,\n\
      b,\"2 + 2 =\",big,,math,,,,\n",
)];
pub(super) const LONG_FAULTY: Files = &[
    (
        "table.csv",
        b"prompt_id,prompt,model,quality,cost_usd,weight,propensity,messages\n\
          a,Who may sue?,big,1,,,,\n\
          b,,big,1,,,,\n\
          ,,,1,,,,\n\
          c,text,big,-1,-1,-1,0,\n\
          d,,big,1,,,,not json\n\
          e,t\xFCxt,big,1,,,,\n",
    ),
    (
        "more.jsonl",
        b"{\"prompt_id\": \"f\", \"prompt\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"model\": \"big\", \"quality\": true, \"prompt_tags\": [\"x\"]}\n\
          {\"prompt_id\": \"g\", \"prompt\": [], \"model\": \"big\", \"quality\": 1, \"prompt_tags\": \"x\"}\n\
          {\"prompt_id\": \"h\", \"prompt\": \"x\", \"model\": {}, \"quality\": [1], \"output_tokens_per_second\": 0}\n",
    ),
];

/// Every format with its sound and its faulty files.
pub(super) const ALL: [(&str, Files, Files); 7] = [
    ("embedllm", EMBEDLLM, EMBEDLLM_FAULTY),
    ("llmrouter", LLMROUTER, LLMROUTER_FAULTY),
    ("llmrouterbench", LLMROUTERBENCH, LLMROUTERBENCH_FAULTY),
    ("long", LONG, LONG_FAULTY),
    ("routellm", ROUTELLM, ROUTELLM_FAULTY),
    ("routerarena", ROUTERARENA, ROUTERARENA_FAULTY),
    ("routerbench", ROUTERBENCH, ROUTERBENCH_FAULTY),
];
