// What an instruction set without compressing stores does lane by lane; included at the end of its
// own header, whose masks and vectors it works on.
#pragma once

namespace nvc3d::NVC3D_ISA {

// Writes first + i for each lane i that is set, in order, and returns how many there are. All 16
// places may be written.
template <class T>
NVC3D_INLINE int append_lanes(Mask<T> m, int32_t first, int32_t* to) {
  int count = 0;
  for (uint32_t left = m.bits(); left != 0; left &= left - 1)
    to[count++] = first + lowest_bit(left);
  return count;
}

// The lanes of v that m names, one after the other; may write 16 in all, the rest without meaning.
template <class T, class V, class U>
NVC3D_INLINE void store_chosen(Mask<T> m, V v, U* to) {
  U all[lanes];
  v.store(all);
  for (uint32_t bits = m.bits(); bits; bits &= bits - 1) *to++ = all[lowest_bit(bits)];
}

}  // namespace nvc3d::NVC3D_ISA
