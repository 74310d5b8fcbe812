/**
 * ln and exp that give the same bits on every machine.
 *
 * `Math.log` and `Math.exp` may differ in the last digit between engines and processors, and one digit is
 * enough to move an arrival by a microsecond or a draw by a key. The operators + − × ÷ may not: each is
 * correctly rounded (IEEE 754) and the language forbids fusing them. So both functions are built from those
 * four and from the bits of a double, and a trace depends on its seed alone.
 *
 *     ln:   x = 2^k · m, √½ ≤ m < √2;     ln m = 2·atanh((m − 1) / (m + 1))
 *     exp:  x = k·ln 2 + r, |r| ≤ ½·ln 2;  e^r by Taylor, then scaled by 2^k
 *
 * Both series are cut where the next term is below 2^−56 of the sum. Error: one or two units in the last
 * place.
 */

// ln 2 split in two: the high part ends in zeros, so that k · LN2_HIGH is exact for every exponent k.
const LN2_HIGH = 0.69314718036912381649;
const LN2_LOW = 1.90821492927058770002e-10;
const SQRT2 = 1.4142135623730951;

const bits = new DataView(new ArrayBuffer(8));

/** The natural logarithm of a normal positive double. */
export function ln(x: number): number {
  bits.setFloat64(0, x);
  const high = bits.getUint32(0);
  let exponent = (high >>> 20) - 1023;
  bits.setUint32(0, (high & 0x000f_ffff) | 0x3ff0_0000);
  let mantissa = bits.getFloat64(0);
  if (mantissa >= SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  const ratio = (mantissa - 1) / (mantissa + 1);
  return exponent * LN2_HIGH + (2 * ratio * atanhOver(ratio * ratio) + exponent * LN2_LOW);
}

/** e to the power of x; 0 below −708 and Infinity above 709. */
export function exp(x: number): number {
  if (x < -708) return 0;
  if (x > 709) return Infinity;
  const exponent = Math.round(x / LN2_HIGH);
  const power = taylor(x - exponent * LN2_HIGH - exponent * LN2_LOW);
  bits.setUint32(0, (exponent + 1023) << 20);
  bits.setUint32(4, 0);
  return power * bits.getFloat64(0);
}

/** atanh(√z) / √z for 0 ≤ z ≤ 0.0295. */
function atanhOver(z: number): number {
  const tail = 1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21 + z / 23)));
  return 1 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * (1 / 13 + z * tail))))));
}

/** e^r for |r| ≤ 0.3466. */
function taylor(r: number): number {
  const tail = 1 / 39_916_800 + r * (1 / 479_001_600 + r * (1 / 6_227_020_800 + r / 87_178_291_200));
  const middle =
    1 / 720 + r * (1 / 5040 + r * (1 / 40_320 + r * (1 / 362_880 + r * (1 / 3_628_800 + r * tail))));
  return 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * middle)))));
}
