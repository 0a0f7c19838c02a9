// Comparison of two snapshots, row by row of the settings table.
#include "conf/reload.hpp"

#include <algorithm>

#include "conf/setting.hpp"

namespace posthouse::conf {
namespace {

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

}  // namespace

std::string ReloadDiff::text() const {
  if (changed.empty()) return "nothing changed";
  std::vector<std::string> live;
  for (const auto& name : changed) {
    if (std::find(need_restart.begin(), need_restart.end(), name) == need_restart.end()) {
      live.push_back(name);
    }
  }
  std::string text = live.empty() ? "nothing changed yet" : "changed: " + join(live);
  if (!need_restart.empty()) text += "; after a restart: " + join(need_restart);
  return text;
}

ReloadDiff compare(const Settings& before, const Settings& after) {
  ReloadDiff diff;
  for (const auto& row : table()) {
    if (row.get(before) == row.get(after)) continue;
    diff.changed.emplace_back(row.name);
    if (row.reload == Reload::restart) diff.need_restart.emplace_back(row.name);
  }
  return diff;
}

Settings reloadable(const Settings& before, Settings after) {
  for (const auto& row : table()) {
    if (row.reload == Reload::restart) row.copy(after, before);
  }
  return after;
}

}  // namespace posthouse::conf
