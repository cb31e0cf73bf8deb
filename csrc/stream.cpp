// taujp_ext._stream: the file engine for Python. Paths and numbers go in, fingerprints come out; it
// links no torch and holds no Python object while its threads work.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/named_recipe.h"
#include "core/recipe.h"
#include "core/run.h"
#include "stream/check_plan.h"
#include "stream/fingerprint.h"
#include "stream/job.h"
#include "stream/nonfinite.h"
#include "stream/plan.h"
#include "stream/probe.h"
#include "stream/renaming.h"

namespace py = pybind11;

namespace taujp::stream {

using PlaceTuple = std::tuple<int32_t, int64_t, int32_t, int32_t>;  // file, offset, width, dtype

static std::vector<Place> places_of(const std::vector<PlaceTuple>& tuples) {
  std::vector<Place> places;
  for (const auto& [file, offset, width, dtype] : tuples)
    places.push_back({file, offset, width, static_cast<Dtype>(dtype)});
  return places;
}

static Item make_item(bool copy, int64_t size, int64_t before, int64_t row, int32_t coefs,
                      const std::vector<PlaceTuple>& sources,
                      const std::vector<PlaceTuple>& targets, std::vector<uint64_t> keys) {
  return {copy, size, before, row, coefs, places_of(sources), places_of(targets), std::move(keys)};
}

static std::unique_ptr<Job> start(Plan plan) {
  check_plan(plan);
  const py::gil_scoped_release free;
  return std::make_unique<Job>(std::move(plan));
}

static void reserve(const std::string& path, int64_t bytes) {
  const py::gil_scoped_release free;
  File(path, O_WRONLY | O_CREAT).reserve(bytes);
}

static void raise_os_error(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const FileError& error) {
    // OSError picks the subclass (PermissionError, ...) by the number
    const py::object made =
        py::reinterpret_borrow<py::object>(PyExc_OSError)(error.number, error.what());
    PyErr_SetObject(py::type::of(made).ptr(), made.ptr());
  }
}

static void bind_plan(py::module_& m) {
  py::class_<Recipe>(m, "Recipe")
      .def(py::init<>())  // of a job that only copies
      .def(py::init(&named_recipe), py::kw_only(), py::arg("lambdas"), py::arg("density"),
           py::arg("skip"), py::arg("fold"), py::arg("sparsifier"), py::arg("rescale"),
           py::arg("rounding"), py::arg("normalize"), py::arg("keep_one"),
           py::arg("deltas") = false, py::arg("over_model") = false,
           py::arg("spread") = std::vector<double>(), py::arg("dials") = std::vector<double>(),
           py::arg("weighting") = "given");
  py::class_<InputFile>(m, "InputFile").def(py::init([](std::string path, int64_t size, int64_t t) {
    return InputFile{std::move(path), size, t};
  }));
  py::class_<Item>(m, "Item").def(py::init(&make_item), py::kw_only(), py::arg("copy"),
                                  py::arg("size"), py::arg("before") = 0, py::arg("row") = 0,
                                  py::arg("coefs"), py::arg("sources"), py::arg("targets"),
                                  py::arg("keys"));
  py::class_<Plan>(m, "Plan")
      .def(py::init<>())
      .def_readwrite("recipe", &Plan::recipe)
      .def_readwrite("has_base", &Plan::has_base)
      .def_readwrite("inputs", &Plan::inputs)
      .def_readwrite("outputs", &Plan::outputs)
      .def_readwrite("coefs", &Plan::coefs)
      .def_readwrite("items", &Plan::items)
      .def_readwrite("threads", &Plan::threads)
      .def_readwrite("products", &Plan::products);
}

PYBIND11_MODULE(_stream, m) {
  py::register_exception<InputChanged>(m, "InputChanged", PyExc_RuntimeError);
  py::register_exception_translator(&raise_os_error);
  bind_plan(m);
  py::class_<Finished>(m, "Finished")
      .def_readonly("item", &Finished::item)
      .def_readonly("fingerprints", &Finished::fingerprints)
      .def_readonly("nonfinite", &Finished::nonfinite)
      .def_readonly("products", &Finished::products);
  py::class_<Job>(m, "Job")
      .def(py::init(&start), py::arg("plan"))
      .def("wait", &Job::wait, py::arg("seconds"), py::call_guard<py::gil_scoped_release>())
      .def("stop", &Job::stop, py::call_guard<py::gil_scoped_release>())
      .def("take_finished", &Job::take_finished)
      .def_property_readonly("bytes_done", &Job::bytes_done)
      .def_property_readonly("bytes_total", &Job::bytes_total);
  m.def("memory_bytes", &memory_bytes, py::arg("plan"), "What a job takes for its buffers.");
  m.def("reserve", &reserve, py::arg("path"), py::arg("bytes"),
        "Makes the file, with that many bytes of the disk taken.");
  m.def("first_nonfinite", &first_nonfinite, py::arg("path"), py::arg("offset"), py::arg("dtype"),
        py::arg("elements"), py::call_guard<py::gil_scoped_release>(),
        "The index of the first NaN or infinity, or -1; an empty path: offset is an address.");
  m.def("exchange", &exchange, py::arg("one"), py::arg("other"),
        "Swaps two paths in one step; False where the file system cannot.");
  m.def("rename_onto_nothing", &rename_onto_nothing, py::arg("path"), py::arg("to"),
        "Renames; fails where something is there.");
  m.def("heads_from", &heads_from, py::arg("key"), py::arg("density"), py::arg("first"),
        py::arg("count"), "1 for each element from index `first` on that a coin keeps.");
  m.def("before_cut", &before_cut, py::arg("cut"), py::arg("first"), py::arg("count"),
        "1 for each of equal elements from index `first` on that a rank window keeps.");
  m.def("simd_level", [] { return std::string(level().name); });
  m.def("fingerprint", [](const py::bytes& data) {
    const std::string_view bytes = data;
    return fingerprint_seal(fingerprint_part(bytes.data(), bytes.size(), 0), bytes.size());
  });
}

}  // namespace taujp::stream
