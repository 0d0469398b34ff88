#include "cli/view/diagnosis_view.h"

#include <algorithm>

#include "cli/view/printable.h"

namespace snag::cli {
namespace {

struct OutcomeWords {
  std::string_view words;  // all as wide
  Style style;
};

OutcomeWords outcome_words(v1::Check::Outcome outcome) {
  if (outcome == v1::Check::OK) return {"ok     ", Style::kGreen};
  if (outcome == v1::Check::MISSING) return {"missing", Style::kRed};
  return {"note   ", Style::kYellow};
}

std::string verdict(const v1::Diagnosis& diagnosis) {
  const std::string whom = diagnosis.pid() == 0 ? "Python processes" : "pid " + std::to_string(diagnosis.pid());
  return whom + (diagnosis.attachable() ? " can be attached" : " cannot be attached");
}

}  // namespace

std::string diagnosis_text(const v1::Diagnosis& diagnosis, const Output& output) {
  std::size_t width = 0;
  for (const v1::Check& check : diagnosis.checks()) width = std::max(width, count_characters(printable(check.name())));
  std::string text;
  for (const v1::Check& check : diagnosis.checks()) {
    const OutcomeWords outcome = outcome_words(check.outcome());
    const std::string name = printable(check.name());
    text += styled(output, outcome.style, outcome.words) + "  " + name +
            std::string(width - count_characters(name) + 2, ' ') + printable(check.finding()) + "\n";
    if (!check.remedy().empty()) text += std::string(width + 11, ' ') + "→ " + printable(check.remedy()) + "\n";
  }
  return text + styled(output, Style::kBold, verdict(diagnosis)) + "\n";
}

}  // namespace snag::cli
