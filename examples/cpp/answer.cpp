// The answer of a model of nvc3d, without Python: a program that AOTInductor compiled, and the
// library with nvc3d's operators.
//
//     nvc3d export runs/kinds --output kinds.pt2 --compiled
//     answer kinds.pt2 nvc3d/_C.abi3.so < points.xyz
//
// Prints a row of numbers for each row of the first output: the probabilities of a classifier.
#include <ATen/ATen.h>
#include <dlfcn.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <iostream>
#include <iterator>
#include <vector>

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: answer MODEL.pt2 LIBRARY.so < POINTS.xyz\n";
    return 2;
  }
  // It registers the operators that the model calls.
  if (!dlopen(arguments[2], RTLD_NOW | RTLD_GLOBAL)) {
    std::cerr << dlerror() << '\n';
    return 2;
  }
  std::vector<float> numbers{std::istream_iterator<float>(std::cin), {}};
  const auto rows = static_cast<int64_t>(numbers.size() / 3);
  const at::Tensor points = at::from_blob(numbers.data(), {1, rows, 3}, at::kFloat).clone();

  torch::inductor::AOTIModelPackageLoader model(arguments[1]);
  const at::Tensor answer = model.run({points})[0].flatten(0, -2);
  for (const at::Tensor& row : answer.unbind()) {
    for (const at::Tensor& value : row.unbind()) std::cout << value.item<double>() << ' ';
    std::cout << '\n';
  }
}
