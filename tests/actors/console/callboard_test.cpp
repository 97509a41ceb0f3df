#include "actors/console/callboard.hpp"
#include "actors/node_password/messages.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using testing::stage;

TEST_CASE("the callboard names an actor, its room, what waits for it and what it handled last") {
  stage on(5);
  auto heard = std::make_shared<std::vector<client::watch_event>>();
  auto who = on.show(rt::spawn<client::watcher_actor, testing::listener_state<client::watcher_actor, client::watch_event>>(on.world, "of the test", heard));
  rt::post(who, client::watch_event{1, "ADDED", nullptr});
  on.settle();
  rt::post(who, client::watch_event{2, "ADDED", nullptr});
  rt::post(who, client::watch_event{3, "ADDED", nullptr});
  const auto board = parse_json(console::callboard_json());
  REQUIRE(board.ok());
  bool found = false;
  for (const auto& a : (*board)["actors"]) {
    if (a["detail"] != "of the test") continue;
    found = true;
    CHECK(a["name"] == "listener");
    CHECK(a["received"] == 3);
    CHECK(a["handled"] == 1);
    CHECK(a["depth"] == 2);
    CHECK(a["state"] == "idle");
    CHECK(a["last_message"] == "client::watch_event");
  }
  CHECK(found);
  const auto table = console::callboard_table(console::callboard_json());
  REQUIRE(table.ok());
  CHECK(table->find("of the test") != std::string::npos);
  CHECK(table->find("client::watch_event") != std::string::npos);
}

TEST_CASE("a table is made of whatever rows there are, however long their words, and of nothing else") {
  for (const char* text : {"", "{", "[]", "{}", "{\"actors\":7}", "<html>"}) CHECK_MESSAGE(!console::callboard_table(text).ok(), text);
  const auto empty = console::callboard_table("{\"actors\":[]}");
  REQUIRE(empty.ok());
  CHECK(empty->find("LAST MESSAGE") != std::string::npos);
  const json row{{"id", 1}, {"parent", 0}, {"room", std::string(500, 'r')}, {"name", std::string(500, 'n')}, {"detail", std::string(500, 'd')},
                 {"state", "dead"}, {"last_error", "on purpose"}};
  const auto wide = console::callboard_table(to_text({{"actors", json::array({row})}}));
  REQUIRE(wide.ok());
  CHECK(wide->find("! on purpose") != std::string::npos);
  CHECK(wide->size() < 500);
  CHECK(console::callboard_table("{\"actors\":[{},7,null]}").ok());
  CHECK(console::callboard_table("{\"actors\":[{\"id\":\"text\",\"busy_ms\":\"text\"}]}").ok());
}
