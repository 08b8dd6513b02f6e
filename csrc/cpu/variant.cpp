// Run-time choice of the instruction set, and plain C functions that tell others about it.
#include "variant.h"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace nvc3d {
namespace {

// Best first.
std::vector<const Variant*> available() {
  std::vector<const Variant*> found;
#if NVC3D_HAS_X86_VARIANTS
  for (const Variant* variant : {&avx512_variant(), &avx2_variant()})
    if (variant->supported()) found.push_back(variant);
#endif
  found.push_back(&portable_variant());
  return found;
}

std::string names() {
  std::string text;
  for (const Variant* variant : available())
    text += (text.empty() ? "" : " ") + std::string(variant->name);
  return text;
}

const Variant& choose() {
  const char* wanted = std::getenv("NVC3D_ISA");
  const auto variants = available();
  if (wanted == nullptr || *wanted == '\0') return *variants.front();
  for (const Variant* variant : variants)
    if (std::string(wanted) == variant->name) return *variant;
  throw std::invalid_argument("NVC3D_ISA must be one of " + names() + " on this machine, got " +
                              wanted);
}

}  // namespace

const Variant& active() {
  static const Variant& chosen = choose();
  return chosen;
}

}  // namespace nvc3d

extern "C" {

NVC3D_EXPORT const char* nvc3d_isa() {
  try {
    return nvc3d::active().name;
  } catch (const std::invalid_argument&) {
    return "";
  }
}

NVC3D_EXPORT const char* nvc3d_available_isas() {
  static const std::string text = nvc3d::names();
  return text.c_str();
}

const nvc3d::Variant* nvc3d_variant(size_t rank) {
  const auto variants = nvc3d::available();
  return rank < variants.size() ? variants[rank] : nullptr;
}
}
