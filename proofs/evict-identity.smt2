; evict-identity: out = p gone + (1 - p) kept: dropping moves the output by p times their distance
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const gone Real)
(declare-const kept Real)
(declare-const out Real)
(declare-const p Real)
(assert (= out (+ (* gone p) (* kept (+ 1.0 (* (- 1.0) p))))))
; the conclusion, negated
(assert (not (= (+ out (* (- 1.0) kept)) (* p (+ gone (* (- 1.0) kept))))))
(check-sat)
