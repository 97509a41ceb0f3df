// How long the list of 10,000 objects of 1.5 kB takes from the snapshot that the API reads to the bytes of its answer, in
// pieces as the API writes them. No TLS and no network. Prints one JSON document.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "actors/apiserver/wire/render.hpp"
#include "basis/json.hpp"

using namespace troupe;
using namespace troupe::apiserver;

int main() {
  using bench_clock = std::chrono::steady_clock;
  constexpr std::size_t count = 10'000, piece = 64 * 1024;
  const auto& kind = *model::schema::find("", "v1", "configmaps");
  model::snapshot all;
  for (std::size_t i = 0; i < count; ++i) {
    const json object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "listed-" + std::to_string(i)}, {"namespace", "default"}}}, {"data", {{"k", std::string(1300, 'v')}}}};
    all = all.insert(*model::make_document(kind, to_text(object), 1, static_cast<model::revision_number>(i + 1)));
  }
  double best = 1e9;
  std::size_t bytes = 0;
  for (int round = 0; round < 7; ++round) {
    const auto began = bench_clock::now();
    rendering how{&kind, {}, {}};
    how.as.as = representation::form::json;
    list_writer writer(how, select_page(all, static_cast<std::int64_t>(count), kind, "default", {}));
    std::string part;
    bytes = 0;
    for (bool more = true; more; bytes += part.size()) part.clear(), more = writer.next(part, piece);
    best = std::min(best, std::chrono::duration<double, std::milli>(bench_clock::now() - began).count());
  }
  std::printf("%s\n", to_text(json{{"objects", count}, {"bytes", bytes}, {"list_10k_ms", best}}).c_str());
}
