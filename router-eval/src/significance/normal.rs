//! The standard normal distribution.

/// The quantile of the standard normal distribution at `p` in (0, 1), by Wichura's algorithm AS 241 (PPND7, Applied Statistics 37,
/// 1988): accurate to about seven digits. Infinite at the ends.
///
/// ```
/// use router_eval::significance::normal_quantile;
/// assert!((normal_quantile(0.975) - 1.959_964).abs() < 1e-6);
/// assert!((normal_quantile(0.8) - 0.841_621_2).abs() < 1e-6);
/// assert!((normal_quantile(1e-6) + 4.753_424_3).abs() < 1e-5);
/// ```
pub fn quantile(p: f64) -> f64 {
    if p.is_nan() || p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let from_middle = p - 0.5;
    if from_middle.abs() <= 0.425 {
        let r = 0.180_625 - from_middle * from_middle;
        let above = ((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9;
        let below = ((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0;
        return from_middle * above / below;
    }
    let r = (-p.min(1.0 - p).ln()).sqrt();
    let size = if r <= 5.0 {
        let r = r - 1.6;
        let above = ((0.170_238_210_3 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7;
        above / ((0.120_211_329_75 * r + 0.737_001_642_5) * r + 1.0)
    } else {
        let r = r - 5.0;
        let above = ((0.017_337_203_997 * r + 0.428_682_943_37) * r + 3.081_226_386_0) * r + 6.657_905_115_0;
        above / ((0.012_258_202_635 * r + 0.241_978_942_25) * r + 1.0)
    };
    if from_middle < 0.0 { -size } else { size }
}
