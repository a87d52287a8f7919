; argmax-margin: margin > 2 zeta: the top logit stays on top under |delta| <= zeta
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const do Real)
(declare-const dt Real)
(declare-const other Real)
(declare-const top Real)
(declare-const zeta Real)
(assert (> (+ top (* (- 1.0) other)) (* 2.0 zeta)))
(assert (<= dt zeta))
(assert (>= dt (* (- 1.0) zeta)))
(assert (<= do zeta))
(assert (>= do (* (- 1.0) zeta)))
; the conclusion, negated
(assert (not (> (+ dt top) (+ do other))))
(check-sat)
