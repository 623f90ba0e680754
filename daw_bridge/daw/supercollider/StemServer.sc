// Separates music into stems through `stemtool serve`; StemServer.scd shows how it is used.
StemServer {
	var <address;

	*new { |host = "127.0.0.1", port = 9880|
		^super.newCopyArgs(NetAddr(host, port))
	}

	// path: a file, or an array of two mono files. outDir: a folder for the stems, absolute as well.
	// start, length: in frames of the file; -1 is to its end.
	// options: an Event such as (format: \flac, bits: 16).
	// onStem.(name, path)   onDone.(an Event of name: path)   onError.(message, code)
	// onProgress.(0 .. 1, phase)   They are called on SystemClock: windows want a defer.
	// Returns a StemJob, which can be cancelled.
	separate { |path, outDir, onStem, onDone, onError, onProgress, model = "", start = 0, length = -1, options|
		var job = StemJob(address, onStem, onDone, onError, onProgress);
		// Whole numbers: sclang sends others with 24 bits.
		var part = [start.asInteger, length.asInteger];
		var paths = if(path.isString) { [path] } { path };
		job.request(outDir, model, part, this.prJoin(options ? ()), paths);
		^job
	}

	prJoin { |options|
		^options.asSortedArray.collect { |pair|
			var value = pair[1].asString.replace("%", "%25").replace(";", "%3B");
			"%=%".format(pair[0], value)
		}.join(";")
	}
}

StemJob {
	classvar <>patience = 3; // seconds until the server must have said something

	var address, onStem, onDone, onError, onProgress;
	var <id, responders, stems, isAnswered = false;

	*new { |... args|
		^super.newCopyArgs(*args).init
	}

	init {
		id = "sc-%-%".format(Date.getDate.stamp, 1000000000.rand).asSymbol;
		stems = ();
		responders = [
			this.prOn('/stems/reply', ['/stems/separate', id]) { isAnswered = true },
			this.prOn('/stems/progress', [id]) { |msg| onProgress.(msg[2], msg[3]) },
			this.prOn('/stems/stem', [id]) { |msg|
				stems[msg[4]] = msg[5].asString;
				onStem.(msg[4], msg[5].asString)
			},
			this.prOn('/stems/done', [id]) { this.prEnd; onDone.(stems) },
			this.prOn('/stems/error', [nil, id]) { |msg| this.prFail(msg[4].asString, msg[3]) }
		]
	}

	request { |outDir, model, part, options, paths|
		address.sendMsg('/stems/separate', id, model, outDir, *(part ++ [options] ++ paths));
		SystemClock.sched(patience, {
			if(isAnswered.not) { this.prFail("No answer: is stemtool serve running?", -1) };
			nil
		})
	}

	cancel {
		address.sendMsg('/stems/cancel', id)
	}

	prOn { |event, template, action|
		^OSCFunc(action, event, address, argTemplate: template)
	}

	prFail { |message, code|
		this.prEnd;
		onError.(message, code)
	}

	prEnd {
		isAnswered = true;
		responders.do(_.free)
	}
}
