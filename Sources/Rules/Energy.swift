import Glibc

/// 10^(0.1·level): energy relative to that of 0 dB.
@inline(__always)
func energy(ofLevel level: Double) -> Double { exp(level * 0.230_258_509_299_404_57) }

/// The level of an energy, in dB.
@inline(__always)
func level(ofEnergy energy: Double) -> Double { 10 * log10(energy) }
