#include "actors/model/document.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::model;

namespace {
const schema::kind& kind_of(std::string_view group, std::string_view plural) { return *schema::find(group, "v1", plural); }

document_ptr make(std::string_view plural, std::string_view text, revision_number at = 7) {
  auto made = make_document(kind_of("", plural), text, 3, at);
  REQUIRE_MESSAGE(made.ok(), text);
  return *made;
}
}  // namespace

TEST_CASE("publishing splices the resourceVersion into metadata, wherever its neighbours stand") {
  struct row { const char *stored, *published; } rows[] = {
      {R"({"kind":"ConfigMap","metadata":{"name":"a","uid":"u"}})",
       R"({"kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"7","uid":"u"}})"},
      {R"({"metadata":{"name":"a"},"zeta":{"metadata":{}}})",
       R"({"metadata":{"name":"a","resourceVersion":"7"},"zeta":{"metadata":{}}})"},
      {R"({"metadata":{"name":"a","resourceVersion":"5","uid":"u"}})",
       R"({"metadata":{"name":"a","resourceVersion":"7","uid":"u"}})"},
      {R"({"metadata":{"name":"a","resourceVersion":"5"}})", R"({"metadata":{"name":"a","resourceVersion":"7"}})"},
      {R"({"metadata":{"resourceVersion":"5","name":"a"}})", R"({"metadata":{"name":"a","resourceVersion":"7"}})"},
      {R"({"a":"metadata\":{","metadata":{"name":"x}"}})",
       R"({"a":"metadata\":{","metadata":{"name":"x}","resourceVersion":"7"}})"}};
  for (const auto& row : rows) {
    auto made = make("configmaps", row.stored);
    CHECK(made->text() == row.published);
    auto back = parse_json(row.stored);
    (*back)["metadata"].erase("resourceVersion");
    CHECK(*parse_json(made->stored()) == *back);
    CHECK(with_revision(*made, 12)->text().find(R"("resourceVersion":"12")") != std::string_view::npos);
  }
  auto dry = make("configmaps", R"({"metadata":{"name":"a","resourceVersion":"5"}})", 0);
  CHECK(dry->text() == R"({"metadata":{"name":"a"}})");
  CHECK(dry->stored() == dry->text());
}

TEST_CASE("a document knows its key, labels, selectable values and deletion without parsing again") {
  auto pod = make("pods", R"({"apiVersion":"v1","kind":"Pod","metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z",)"
                          R"("finalizers":["a/b"],"labels":{"zone":"b","app":"web","empty":""},"name":"p1",)"
                          R"("namespace":"default","uid":"u-1"},"spec":{"nodeName":"n1","hostNetwork":true,)"
                          R"("containers":[{"nodeName":"wrong"}]},"status":{"phase":"Running"}})");
  CHECK(pod->key() == "default/p1");
  CHECK(pod->name() == "p1");
  CHECK(pod->ns() == "default");
  CHECK(pod->uid() == "u-1");
  CHECK(pod->modified() == 7);
  CHECK(pod->created() == 3);
  CHECK(pod->deleting());
  CHECK(pod->has_finalizers());
  REQUIRE(pod->labels_count() == 3);
  CHECK(pod->label(0).first == "app");
  CHECK(pod->find_label("app") == "web");
  CHECK(pod->find_label("empty").data() != nullptr);
  CHECK(pod->find_label("none").data() == nullptr);
  CHECK(pod->selectable(0) == "n1");
  CHECK(pod->selectable(4) == "true");
  CHECK(pod->selectable(5) == "Running");
  CHECK(pod->selectable(6) == "");
  CHECK(make("pods", R"({"metadata":{"name":"p","namespace":"d"},"spec":{}})")->selectable(4) == "false");
  CHECK(make("nodes", R"({"metadata":{"name":"n1"}})")->key() == "n1");
}

TEST_CASE("escaped and alternative values are selectable as what they mean") {
  auto event = make("events", R"({"metadata":{"name":"e","namespace":"d"},"reason":"a \"b\"",)"
                              R"("reportingComponent":"kubelet","source":{},"involvedObject":{"fieldPath":"x\u00e9"}})");
  CHECK(event->selectable(7) == "a \"b\"");
  CHECK(event->selectable(6) == "x\xc3\xa9");
  CHECK(event->selectable(9) == "kubelet");
  auto other = make("events", R"({"metadata":{"name":"e","namespace":"d"},"reportingComponent":"x",)"
                              R"("source":{"component":"scheduler"}})");
  CHECK(other->selectable(9) == "scheduler");
  CHECK(other->key() == "d/e");
}

TEST_CASE("damaged stored text is an error, never a crash") {
  std::string good = R"({"kind":"Pod","metadata":{"labels":{"a":"b\n"},"name":"p","namespace":"d"},"spec":{"x":[1,{}]}})";
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(!make_document(kind_of("", "pods"), good.substr(0, size), 0, 1).ok());
  for (auto text : {"[]", "null", "{}", R"({"metadata":{}})", R"({"metadata":[]})", R"({"metadata":{"name":""}})",
                    R"({"metadata":{"name":"a"}} trailing)"})
    CHECK(!make_document(kind_of("", "pods"), text, 0, 1).ok());
}

TEST_CASE("events are served under both groups from one stored form") {
  const auto& served = kind_of("events.k8s.io", "events");
  json object = {{"apiVersion", "events.k8s.io/v1"}, {"kind", "Event"}, {"note", "hello"},
                 {"metadata", {{"name", "e"}, {"namespace", "d"}}}, {"regarding", {{"kind", "Pod"}}}};
  auto stored = object;
  rename_to_stored(stored, served);
  CHECK(stored["apiVersion"] == "v1");
  CHECK(stored["message"] == "hello");
  CHECK(stored["involvedObject"]["kind"] == "Pod");
  auto made = make_document(served, to_text(stored), 1, 2);
  REQUIRE(made.ok());
  CHECK((*made)->kind().group == "");
  auto back = *parse_json(text_as(**made, served));
  back["metadata"].erase("resourceVersion");
  CHECK(back == object);
  rename_from_stored(stored, served);
  CHECK(stored == object);
}
