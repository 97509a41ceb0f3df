// The garbage collector: objects whose owners are all gone go too; an owner that is deleted in the foreground waits for those that
// block it; one that orphans lets its dependents go first. An owner that is not known is asked for before anybody believes that
// it is gone. Pure.
#pragma once
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

plan decide_collection(const store& all, const std::string& plural, const std::string& key);

}  // namespace troupe::controllers
