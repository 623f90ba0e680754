$nyquist plug-in
$version 4
$type tool
$name (_ "Separate into Stems")
$debugbutton false
$preview disabled
$author (_ "daw-bridge")
$release 1
$copyright (_ "GNU General Public License v3.0 or later")

$control MODEL (_ "Model") choice (@MODELS@) 0
$control STEMS (_ "Stems") choice (@STEMS@) 0
$control SOURCE (_ "Selected tracks") choice (("mute" (_ "mute them, so that the stems are heard alone")) ("keep" (_ "leave them as they are"))) 0

;; Separates the selection of each selected track through the inbox of `stemtool serve`, and puts
;; the stems on new tracks below it.
;; Nyquist can neither start programs nor wait, but Audacity can export to a program. It exports the
;; selection to `stemtool daw follow`, which takes it no faster than the separation goes: so the
;; progress and the cancel button of this export are those of the separation.

(setf *float-format* "%.9f")
(setf *breakenable* nil) ; errors are caught, not looked into
(setf *inbox* "@STATE@/inbox")
(setf *log* "@STATE@/audacity.log")
(setf *stemtool* "@STEMTOOL@")
(setf *palettes* '(@PALETTES@))
;; What is asked for: a key and its value, and of a model the stems that it has.
(setf *model* (nth MODEL '(@MODEL_WORDS@)))
(setf *wish* (nth STEMS '(@STEM_WORDS@)))
(setf *run* (format nil "audacity-~a-~a" (truncate (get-real-time)) (random 1000000)))
(setf *rate-hz* (get '*project* 'rate))
(setf *start-s* (/ (float (truncate (+ 0.5 (* (get '*selection* 'start) *rate-hz*)))) *rate-hz*))
(setf *middle-s* (/ (+ *start-s* (get '*selection* 'end)) 2.0))

;;; Text

(defun replace-all (old new text)
  (do ((from 0 (+ at (length old))) (at 0) (parts ""))
      ((not (setf at (string-search old text :start from)))
       (strcat parts (subseq text from)))
    (setf parts (strcat parts (subseq text from at) new))))

(defun quoted (text)
  (strcat "\"" (replace-all "\"" "\\\"" (replace-all "\\" "\\\\" text)) "\""))

(defun is-control (character)
  (< (char-code character) 32))

(defun one-line (text)
  (let ((line ""))
    (dotimes (i (length text) line)
      (setf line (strcat line (if (is-control (char text i)) " " (string (char text i))))))))

(defun joined (words between)
  (if (cdr words)
      (strcat (car words) between (joined (cdr words) between))
      (car words)))

(defun starts-with (beginning text)
  (and (>= (length text) (length beginning))
       (string= beginning (subseq text 0 (length beginning)))))

;;; Audacity

(defun refuse (sentence)
  (throw 'refused sentence))

(defun do-command (command &rest parameters)
  (cdr (aud-do (strcat command ": " (apply #'strcat parameters)))))

(defun parameter (name value)
  (strcat name "=" (if (stringp value) (quoted value) (format nil "~a" value)) " "))

;; A preference: its name, what Audacity takes where it was never set, and what is needed here.
(setf *preferences*
  (list
    '("/FileFormats/ExportFormat_SF1_Type/WAV_10000" "" "65542") ; 32-bit float, as in libsndfile
    (list "/FileFormats/ExternalProgramExportCommand" "lame - \"%f\""
          (strcat "\"" *stemtool* "\" daw follow \"%f\""))
    '("/FileFormats/ExternalProgramShowOutput" "0" "0")))

;; What an Audacity that crashed meanwhile has kept of us is nobody's wish.
(defun get-preference (preference)
  (let ((answer (aud-do (strcat "GetPreference: " (parameter "Name" (first preference))))))
    (if (and (cdr answer) (not (string-search " daw follow " (car answer))))
        (car answer)
        (second preference))))

(defun set-preference (preference value)
  (do-command "SetPreference"
    (parameter "Name" (first preference)) (parameter "Value" value)))

(defun call-with-preferences (preferences call)
  (let ((before (mapcar #'get-preference preferences)))
    (unwind-protect
      (progn (mapc #'set-preference preferences (mapcar #'third preferences)) (funcall call))
      (mapc #'set-preference preferences before))))

;; Audacity writes a quote in a name as two backslashes and a quote.
(defun list-tracks ()
  (read (make-string-input-stream
    (replace-all "\\\\\"" "\\\"" (car (aud-do "GetInfo: Type=Tracks Format=LISP"))))))

(defun of-track (key track)
  (second (assoc key track)))

(defun is-on (key track)
  (equal 1 (of-track key track)))

(defun indices-where (key tracks)
  (let ((index -1) (found nil))
    (dolist (track tracks (reverse found))
      (setf index (1+ index))
      (when (is-on key track) (push index found)))))

(defun is-wave (track)
  (string= "wave" (of-track 'KIND track)))

(defun select-track (index)
  (do-command "SelectTracks" (parameter "Track" index) "TrackCount=1 Mode=Set"))

(defun select-tracks (indices)
  (let ((mode "Set"))
    (dolist (index indices)
      (do-command "SelectTracks" (parameter "Track" index) "TrackCount=1 Mode=" mode)
      (setf mode "Add"))))

(defun set-audible (index mute solo)
  (select-track index)
  (do-command "SetTrackAudio" (parameter "Mute" mute) (parameter "Solo" solo)))

(defun focus-track (index)
  (select-track index)
  (do-command "SetTrackStatus" "Focused=1"))

(defun say (text)
  (do-command "Message" (parameter "Text" text)))

;;; What is separated

;; Names of stems have a dash here, which Audacity's list of tracks shows as an underscore.
(defun is-stem-of (track sources)
  (dolist (source sources nil)
    (when (starts-with (strcat (of-track 'NAME source) " _ ") (of-track 'NAME track))
      (return t))))

(defun selected-tracks (tracks)
  (remove-if-not #'(lambda (track) (and (is-wave track) (is-on 'SELECTED track))) tracks))

;; Returns the indices of the selected tracks, without the stems of others among them.
(defun find-sources (tracks)
  (let ((selected (selected-tracks tracks)) (index -1) (found nil))
    (dolist (track tracks (reverse found))
      (setf index (1+ index))
      (when (and (member track selected) (not (is-stem-of track selected)))
        (push index found)))))

(defun check-stems ()
  (let ((stem (second *wish*)) (stems (cddr *model*)))
    (when (and stem stems (not (member stem stems :test #'string=)))
      (refuse (format nil "~a makes ~a, not ~a: choose one of these, or another model."
                      (second *model*) (joined stems ", ") stem)))))

;;; The inbox

(defun inbox-path (name ending)
  (strcat *inbox* "/" name ending))

(defun job-name (number)
  (format nil "~a-~a" *run* number))

(defun check-inbox ()
  (let ((file (open (inbox-path *run* ".lof") :direction :output)))
    (unless file
      (refuse (strcat *inbox* " cannot be written to: run `stemtool daw install audacity` again.")))
    (close file)))

(defun is-mono (track)
  (and (= 1 (of-track 'CHANNELS track)) (= 0 (of-track 'PAN track))))

(defun export-selection (path channels)
  (do-command "Export2" (parameter "Filename" path) (parameter "NumChannels" channels)))

(defun write-request (job track)
  (let ((file (open (inbox-path job ".request") :direction :output)))
    (format file "path=~a~%label=~a~%" (inbox-path job ".wav") (one-line (of-track 'NAME track)))
    (format file "~a=~a~%" (first *model*) (second *model*))
    (when *wish* (format file "~a=~a~%" (first *wish*) (second *wish*)))
    (format file "format=wav~%bits=32f~%end=1~%")
    (close file)))

;; What is muted, or not solo where others are, is not exported.
(defun set-heard (tracks indices)
  (let ((solo (if (indices-where 'SOLO tracks) 1 0)))
    (dolist (index indices) (set-audible index 0 solo))))

(defun export-track (job index track)
  (select-track index)
  (unless (export-selection (inbox-path job ".wav") (if (is-mono track) 1 2))
    (refuse (format nil "Audacity could not export ~a: is there room in ~a?"
                    (of-track 'NAME track) *inbox*))))

(defun follow ()
  (export-selection (inbox-path *run* ".CL") 2))

(defun read-pair (line)
  (let ((at (string-search "=" line)))
    (if at (cons (subseq line 0 at) (subseq line (1+ at))) (cons line ""))))

(defun read-status (job)
  (let ((file (open (inbox-path job "/status"))) (pairs nil))
    (when file
      (do ((line (read-line file) (read-line file)))
          ((not line))
        (push (read-pair line) pairs))
      (close file))
    (reverse pairs)))

(defun value-of (key pairs)
  (cdr (assoc key pairs :test #'string=)))

(defun stems-of (pairs)
  (mapcar #'(lambda (pair) (cons (subseq (car pair) 5) (cdr pair)))
    (remove-if-not #'(lambda (pair) (starts-with "stem:" (car pair))) pairs)))

;; Returns nil where all went well, and an empty sentence where it was called off.
(defun failure-of (job)
  (let* ((status (read-status job)) (state (value-of "state" status)))
    (cond ((not state) "stemtool does not answer: run `stemtool daw doctor audacity`.")
          ((string= state "done") nil)
          ((string= state "failed") (value-of "message" status))
          (t ""))))

;;; New tracks

(defun palette-of (stem)
  (let ((found (assoc stem *palettes* :test #'string=)))
    (if found (cdr found) 0)))

(defun write-list-of-files (path stems)
  (let ((file (open path :direction :output)))
    (dolist (stem stems)
      (format file "file \"~a\" offset ~a~%" (cdr stem) *start-s*))
    (close file)))

(defun colour-clip (index stem)
  (select-track index)
  (do-command "SetClip" (parameter "At" *middle-s*)
    (parameter "Color" (format nil "Color~a" (palette-of stem)))))

;; Audacity says that it failed to import such a list, even where it did not.
(defun import-stems (stems)
  (let ((path (inbox-path *run* ".lof")) (count (length (list-tracks))))
    (write-list-of-files path stems)
    (do-command "Import2" (parameter "Filename" path))
    (unless (= (length (list-tracks)) (+ count (length stems)))
      (refuse (strcat "Audacity could not import the stems; they are in " *inbox* ".")))
    (dolist (stem stems)
      (colour-clip count (car stem))
      (setf count (1+ count)))))

;; What lies below goes to the end, past the new tracks.
(defun move-to-the-end (index count)
  (dotimes (i count)
    (focus-track index)
    (do-command "TrackMoveBottom")))

;; Returns how many tracks came.
(defun put-below (index job)
  (let ((stems (stems-of (read-status job))) (below (- (length (list-tracks)) index 1)))
    (import-stems stems)
    (move-to-the-end (1+ index) below)
    (length stems)))

;;; From the start to the end

;; Where a track is, after others came below some: (index . count) each.
(defun now-at (index arrivals)
  (let ((place index))
    (dolist (arrival arrivals place)
      (when (< (car arrival) index) (setf place (+ place (cdr arrival)))))))

(defun separate-all (tracks indices jobs)
  (let ((sources (mapcar #'(lambda (index) (nth index tracks)) indices)))
    (unwind-protect
      (call-with-preferences *preferences*
        #'(lambda ()
            (set-heard tracks indices)
            (mapc #'export-track jobs indices sources)
            (mapc #'write-request jobs sources)
            (select-tracks indices)
            (follow)))
      (mapc #'(lambda (index source)
                (set-audible index (of-track 'MUTE source) (of-track 'SOLO source)))
            indices sources))))

;; Returns below which tracks how many came.
(defun place-all (indices jobs)
  (let ((arrivals nil))
    (mapc #'(lambda (index job)
              (unless (failure-of job)
                (push (cons index (put-below (now-at index arrivals) job)) arrivals)))
          indices jobs)
    arrivals))

(defun mute-all (arrivals)
  (dolist (arrival arrivals)
    (select-track (now-at (car arrival) arrivals))
    (do-command "SetTrackAudio" "Mute=1"))
  (when arrivals
    (say "The stems are on new tracks. The tracks that they were made of are muted.")))

(defun restore-selection (tracks arrivals)
  (flet ((now (index) (now-at index arrivals)))
    (mapc #'focus-track (mapcar #'now (indices-where 'FOCUSED tracks)))
    (select-tracks (mapcar #'now (indices-where 'SELECTED tracks)))))

;; Twenty failures of one kind are one sentence.
(defun report (failures)
  (let ((said nil))
    (dolist (failure (remove "" failures :test #'equal))
      (unless (or (not failure) (member failure said :test #'string=))
        (push failure said)))
    (if said (joined (reverse said) "\n") "")))

(defun check-selection (indices)
  (unless (and indices (< *start-s* (get '*selection* 'end)))
    (refuse "Select a part of one or more tracks, then run this again.")))

(defun main ()
  (check-stems)
  (check-inbox)
  (let* ((tracks (list-tracks)) (indices (find-sources tracks)) (arrivals nil) (number -1)
         (jobs (mapcar #'(lambda (index) (job-name (setf number (1+ number)))) indices)))
    (check-selection indices)
    (unwind-protect
      (progn
        (separate-all tracks indices jobs)
        (setf arrivals (place-all indices jobs))
        (when (= SOURCE 0) (mute-all arrivals)))
      (restore-selection tracks arrivals))
    (report (mapcar #'failure-of jobs))))

;; Returns a sentence, which Audacity shows in a box; the log has that of the last run.
(defun note (sentence)
  (let ((file (open *log* :direction :output)))
    (when file
      (format file "~a~%" sentence)
      (close file))
    sentence))

(defun run ()
  (let ((said (errset (catch 'refused (main)) nil)))
    (if said
        (car said)
        "The tool failed. Does the name of a track end in a backslash? Then give it another.")))

(note (run))
