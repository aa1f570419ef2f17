#![allow(missing_docs)]
use router_encoder::*;
use std::path::PathBuf;
use std::time::Instant;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e-9
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = PathBuf::from(&args[1]);
    let precision = if args[2] == "int8" { Precision::Int8 } else { Precision::F32 };
    let reference: serde_json::Value = serde_json::from_slice(&std::fs::read(&args[3]).unwrap()).unwrap();
    for set in InstructionSet::available().into_iter().filter(|s| s.name() != "portable") {
        let t = Instant::now();
        let e = Encoder::open(
            &dir.join("config.json"),
            &[dir.join("model.safetensors")],
            EncoderOptions { precision, instruction_set: set, ..Default::default() },
        )
        .unwrap();
        println!("{} open {:?}", set.name(), t.elapsed());
        let texts = reference["texts"].as_array().unwrap();
        let ids: Vec<Vec<u32>> = texts
            .iter()
            .map(|t| t["token_ids"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect())
            .collect();
        let mut out = Default::default();
        e.encode(&ids, &mut out).unwrap();
        let (mut worst, mut cos) = (0.0_f64, 1.0_f64);
        for (i, t) in texts.iter().enumerate() {
            let v: Vec<f64> = t["vector"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let mut c = 0.0;
            for (a, b) in out.row(i).iter().zip(&v) {
                worst = worst.max((*a as f64 - b).abs());
                c += *a as f64 * b;
            }
            cos = cos.min(c);
            if args.len() > 4 {
                println!("   {c:.5} {}", t["purpose"]);
            }
        }
        println!("  worst {worst:.2e} cosine {cos:.6}");
        if set.name() == "portable" {
            continue;
        }
        for threads in [1] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build().unwrap();
            pool.install(|| {
                for n in [20usize, 100, 250] {
                    for batch in [1usize, 32] {
                        let seqs: Vec<Vec<u32>> = (0..batch)
                            .map(|b| (0..n).map(|i| 1000 + ((i * 37 + b * 11) % 20000) as u32).collect())
                            .collect();
                        let mut times = vec![];
                        for _ in 0..(7.max(600 / (n * batch))).min(60) {
                            let t = cpu();
                            e.encode(&seqs, &mut out).unwrap();
                            times.push(cpu() - t);
                        }
                        times.sort_by(f64::total_cmp);
                        let m = times[times.len() / 2];
                        println!(
                            "  threads {threads} tokens {n} batch {batch}: {:.1}/s  ({:.1} GFLOP/s)",
                            batch as f64 / m,
                            batch as f64 * n as f64 * 21.2e-3 / m
                        );
                    }
                }
            });
        }
    }
}
